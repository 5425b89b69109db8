# Shared by the pages made from results of accuracy/run.sh: reading their JSON.
function value_of(text, key,    at, rest) {
    at = index(text, "\"" key "\": ")
    if (!at) return ""
    rest = substr(text, at + length(key) + 4)
    if (substr(rest, 1, 1) == "\"") { rest = substr(rest, 2); sub(/".*/, "", rest) }
    else if (substr(rest, 1, 1) == "[") { sub(/\].*/, "]", rest) }
    else sub(/[,}].*/, "", rest)
    return rest
}
