# Prints a Python of 3.13 or later that works: the one that is asked for, or else another one that is here.
# A pyenv shim of a version that is not chosen exists and does not work.
new='import sys; sys.exit(sys.version_info < (3, 13))'
for name in "$1" python3.14 python3.13; do
    if "$name" -c "$new" 2>/dev/null; then
        echo "$name"
        exit
    elif command -v pyenv >/dev/null; then
        version=$(pyenv whence "$name" 2>/dev/null | tail -n 1)
        found=$([ -n "$version" ] && PYENV_VERSION=$version pyenv which "$name" 2>/dev/null)
        if [ -n "$found" ] && "$found" -c "$new" 2>/dev/null; then
            echo "$found"
            exit
        fi
    fi
done
