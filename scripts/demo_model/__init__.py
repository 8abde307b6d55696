"""What the demo model is made of: its corpus, tokenizer, network, evaluation and export.

``scripts/train_demo.py`` puts the parts together. They are apart so that each can be read, and the
corpus tested, without PyTorch.
"""
