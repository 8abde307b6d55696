# Sourced by scripts/llmtui and scripts/test: a synced .venv from nothing but Python 3.11+, git and a C++ compiler.
# Usage: ensure_ready run|dev     (dev adds the tools of the tests)
# Everything is kept in the checkout (.venv, .uv), but for the compiled llama-cpp-python: it lies in the user's cache
# folder, where later checkouts find it.

# The vision library is left out of the build: it takes a third of the time and nothing here uses it.
DEFAULT_CMAKE_ARGS=-DLLAVA_BUILD=OFF

say() { printf 'llmtui: %s\n' "$*" >&2; }
fail() { printf 'error: %s\n  %s\n' "$1" "$2" >&2; exit 3; }

find_python() {
  local candidate
  for candidate in "${LLMTUI_PYTHON:-}" python3.11 python3.12 python3.13 python3.14 python3 python; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null; then
      command -v "$candidate"
      return 0
    fi
  done
  fail "no Python 3.11 or newer was found" "Install Python 3.11+, or set LLMTUI_PYTHON to one."
}

find_uv() {
  local python=$1 private=$ROOT/.uv
  if command -v uv >/dev/null 2>&1 && uv --version 2>/dev/null | grep -qE '^uv (0\.(9|[1-9][0-9])|[1-9])'; then
    command -v uv
    return 0
  fi
  if [ ! -x "$private/bin/uv" ]; then
    say "installing uv into .uv/ (once)"
    rm -rf "$private"
    if "$python" -m venv "$private" >/dev/null 2>&1; then
      "$private/bin/python" -m pip install --quiet --disable-pip-version-check 'uv>=0.9' >&2 \
        || fail "uv could not be installed" "Check the network, or install uv yourself and try again."
    else
      rm -rf "$private"
      "$python" -m pip install --quiet --disable-pip-version-check --target "$private" 'uv>=0.9' >&2 \
        || fail "this Python has neither venv nor pip" "Install them (Debian: apt install python3-venv), or install uv."
    fi
  fi
  printf '%s\n' "$private/bin/uv"
}

# Says every minute that the compiler is still at work, so that a silent pipe does not look dead.
tick() {
  local minutes=0
  while sleep 60 </dev/null >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
    minutes=$((minutes + 1))
    say "still installing, $minutes min so far"
  done
}

# The version and hash of llama-cpp-python's source that uv.lock names, as a line for pip.
locked_llama() {
  "$1" - "$ROOT/uv.lock" <<'PY'
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    packages = tomllib.load(file)["package"]
[llama] = [package for package in packages if package["name"] == "llama-cpp-python"]
print(f"llama-cpp-python=={llama['version']} --hash={llama['sdist']['hash']}")
PY
}

# Installs the compiled llama-cpp-python into .venv, from a wheel that an earlier run of the same user has left, or
# compiles it. uv alone would do, but it compiles again whenever its copy of the source seems out of date.
install_llama() {
  local uv=$1 python=$2 requirement version flags wheels built
  requirement=$(locked_llama "$python") || fail "uv.lock cannot be read" "Restore it: git checkout uv.lock"
  version=${requirement#*==}; version=${version%% *}
  flags=$(cat "$ROOT/.venv/.cmake-args" 2>/dev/null || true)
  flags=${CMAKE_ARGS:-${flags:-$DEFAULT_CMAKE_ARGS}}
  wheels=${XDG_CACHE_HOME:-${HOME:-$ROOT}/.cache}/llmtui/wheels/$(printf '%s %s' "$flags" "$(uname -sm)" | cksum | tr ' ' -)
  if compgen -G "$wheels/llama_cpp_python-$version-*.whl" >/dev/null; then
    say "installing; llama-cpp-python was compiled before and is reused"
  else
    command -v "${CXX:-c++}" >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 || command -v clang++ >/dev/null 2>&1 \
      || fail "no C++ compiler was found; llama-cpp-python must be compiled" \
        "Install one (Debian: apt install g++; macOS: xcode-select --install) and run this again."
    say "compiling llama-cpp-python for this machine: about five minutes, once; later installations reuse it"
    built=$ROOT/.venv/wheel
    mkdir -p "$built" "$wheels" && printf '%s\n' "$requirement" >"$built/requirement.txt"
    CMAKE_ARGS=$flags "$uv" run --quiet --no-project --python "$ROOT/.venv/bin/python" --with pip python -m pip wheel \
      --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-python --wheel-dir "$built" \
      --require-hashes -r "$built/requirement.txt" >&2 \
      || fail "llama-cpp-python could not be compiled" "The lines above say why; run the same command again when it is mended."
    mv -f "$built"/*.whl "$wheels/" && rm -rf "$built"
  fi
  "$uv" pip install --quiet --python "$ROOT/.venv/bin/python" --reinstall --no-deps --no-index --find-links "$wheels" \
    "llama-cpp-python==$version" >&2 || fail "llama-cpp-python could not be installed" "Remove $wheels and run this again."
  printf '%s' "$flags" >"$ROOT/.venv/.cmake-args"
}

# Whether .venv holds what is wanted: $1 is its stamp. Only builtins, so that a start costs nothing.
is_ready() {
  local flags=
  [ "$1" -nt "$ROOT/uv.lock" ] && [ "$1" -nt "$ROOT/pyproject.toml" ] || return 1
  [ -n "${CMAKE_ARGS:-}" ] || return 0
  read -r flags 2>/dev/null <"$ROOT/.venv/.cmake-args" || true
  [ "$flags" = "$CMAKE_ARGS" ]
}

install() {
  local kind=$1 python uv
  local -a wanted=(--frozen --no-dev)
  [ "$kind" = dev ] && wanted=(--locked --group dev)
  python=$(find_python) || exit $?
  uv=$(find_uv "$python") || exit $?
  export UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=$ROOT/.venv
  unset VIRTUAL_ENV UV_PYTHON
  cd "$ROOT" || exit 3
  if ! .venv/bin/python -c '' 2>/dev/null; then
    "$uv" venv --quiet --clear --python "$python" .venv >&2 || fail ".venv could not be made" "The lines above say why."
  fi
  install_llama "$uv" "$python"
  "$uv" sync --inexact --compile-bytecode "${wanted[@]}" >&2 \
    || fail "the installation did not finish" "The lines above say why; run the same command again when it is mended."
  .venv/bin/python -m compileall -q tui/llmtui || true
  touch ".venv/.ready-$kind"
}

ensure_ready() {
  local kind=$1 ticker status=0
  is_ready "$ROOT/.venv/.ready-$kind" && return 0
  [ "$kind" = run ] && is_ready "$ROOT/.venv/.ready-dev" && return 0
  tick & ticker=$!
  ( install "$kind" ) || status=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  [ "$status" = 0 ] || exit "$status"
}

# The tests of the sandbox run hostile programs in bubblewrap; without it they are skipped.
ensure_sandbox() {
  [ "$(uname -s)" = Linux ] || return 0
  command -v bwrap >/dev/null 2>&1 && return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing bubblewrap, for the tests of the sandbox"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq bubblewrap >/dev/null 2>&1 && return 0
    { apt-get update -qq && apt-get install -y -qq bubblewrap; } >/dev/null 2>&1 && return 0
  fi
  say "without bubblewrap the tests of the sandbox are skipped"
}
