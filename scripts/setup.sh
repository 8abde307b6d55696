# Sourced by scripts/llmtui and scripts/test: a synced .venv from nothing but Python 3.11+, git and a C++ compiler.
# Usage: ensure_ready run|dev     (dev adds the tools of the tests)
# Everything is kept in the checkout (.venv, .uv) and in uv's own cache, where the compiled llama.cpp is found again.

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
  while sleep 60; do
    minutes=$((minutes + 1))
    say "still installing, $minutes min so far"
  done
}

announce() {
  local uv=$1
  if [ -d "$ROOT/.venv" ] && compgen -G "$ROOT/.venv/lib/python*/site-packages/llama_cpp/lib/*llama*" >/dev/null; then
    say "updating the installation"
  elif compgen -G "$("$uv" cache dir)/sdists-v*/*/llama-cpp-python/*/*/*.whl" >/dev/null; then
    say "installing; llama-cpp-python was compiled before and is reused"
  else
    command -v "${CXX:-c++}" >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 || command -v clang++ >/dev/null 2>&1 \
      || fail "no C++ compiler was found; llama-cpp-python must be compiled" \
        "Install one (Debian: apt install g++; macOS: xcode-select --install) and run this again."
    say "installing; llama-cpp-python is compiled for this machine: about five minutes, once"
  fi
}

ensure_ready() {
  local kind=$1 stamp=$ROOT/.venv/.ready-$1 python uv ticker status=0
  local -a wanted=(--frozen --no-dev)
  [ "$kind" = dev ] && wanted=(--locked --group dev)
  [ "$kind" = run ] && [ -e "$ROOT/.venv/.ready-dev" ] && stamp=$ROOT/.venv/.ready-dev
  if [ "$stamp" -nt "$ROOT/uv.lock" ] && [ "$stamp" -nt "$ROOT/pyproject.toml" ]; then return 0; fi

  python=$(find_python) || exit $?
  uv=$(find_uv "$python") || exit $?
  announce "$uv"
  tick & ticker=$!
  # The vision library is left out of the build: it takes a third of the time and nothing here uses it.
  ( cd "$ROOT" && env -u VIRTUAL_ENV UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT="$ROOT/.venv" \
      CMAKE_ARGS="${CMAKE_ARGS:--DLLAVA_BUILD=OFF}" \
      "$uv" sync --inexact --compile-bytecode --python "$python" "${wanted[@]}" >&2 ) || status=$?
  kill "$ticker" 2>/dev/null
  wait "$ticker" 2>/dev/null
  [ "$status" = 0 ] || fail "the installation did not finish" "The lines above say why; run the same command again when it is mended."
  "$ROOT/.venv/bin/python" -m compileall -q "$ROOT/tui/llmtui" || true
  touch "$ROOT/.venv/.ready-$kind"
}
