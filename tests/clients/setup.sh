#!/bin/sh
# Install the clients that telltale is tested against: Debian packages, then npm's beside this file.
#
# Safe to run again, and quick when nothing is to do. As another user than root it uses sudo, and
# says what is missing where it can't.
set -eu
cd "$(dirname "$0")"

main() {
  wanted=$(sed 's/#.*//' packages.txt)
  command -v node >/dev/null || wanted="$wanted nodejs"
  command -v npm >/dev/null || wanted="$wanted npm"
  # shellcheck disable=SC2086 # one word is one package
  missing=$(missing_packages $wanted)
  # shellcheck disable=SC2086
  [ -z "$missing" ] || install_packages $missing
  install_npm_packages
}

missing_packages() {
  for package; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      printf '%s ' "$package"
  done
}

install_packages() {
  if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
    echo "tests/clients/setup.sh: not root, and no sudo; please install: $*" >&2
    exit 1
  fi
  # A cloud-init that we bring must never do anything to this machine; the test boots it in a
  # throwaway copy. One that is here already may be in use: leave it alone.
  case " $* " in
    *" cloud-init "*)
      as_root mkdir -p /etc/cloud
      as_root touch /etc/cloud/cloud-init.disabled
      ;;
  esac
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 "$@"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

# The copy of the lock file tells what was installed last.
install_npm_packages() {
  if ! cmp -s package-lock.json node_modules/.installed-lock.json; then
    # No script of a package has to run for what we use of it.
    npm ci --ignore-scripts
    cp package-lock.json node_modules/.installed-lock.json
  fi
}

main
