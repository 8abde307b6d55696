"""How far settings go. Apart from `settings`, so that the command line's help needs nothing else."""

MAX_INT = 2**31 - 1
"""What the engines' C interfaces take."""
MAX_FACTOR = 100
"""Of temperature and penalty: far above any use, and no `inf`, which JSON cannot hold."""
MAX_GRAMMAR = 65_536
"""Characters of a grammar: far above any in use, far below what makes its parser run for minutes."""
MAX_SCALE = 10
"""Of an adapter, in either direction: far above any use, at which a model says nothing sensible any more."""
MAX_SEED = 0xFFFFFFFE
"""llama.cpp takes 0xFFFFFFFF as "draw one yourself", and then does not tell which."""
