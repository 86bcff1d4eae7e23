# the examples of doc/policy.md, put together, are one policy that loads
folder=$(mktemp -d) && ln -s "$PWD/pki" "$folder/pki" && awk '/^## Form/ { exit } /^```/ { inside = !inside; next } inside && !/^tgctl/' "$TG_SOURCE/doc/policy.md" >"$folder/policy.cfg" && cd "$folder" && "$TGCTL" check policy.cfg | grep -v ^digest; rm -r "$folder"
