/// The reference of all keys, as it stands in `docs/formats/configuration.md`.
public enum ConfigurationReference {
    /// One Markdown table row a key.
    public static var markdown: String {
        var lines = [
            "| key | type | default | range | meaning |",
            "|---|---|---|---|---|",
        ]
        for key in ConfigurationKey.all {
            let isWord = key.defaultText == "required" || key.defaultText == "none"
            let fallback = isWord ? key.defaultText : "`\(key.defaultText)`"
            let cells = ["`\(key.name)`", key.typeText, fallback, key.rangeText, key.meaning]
            lines.append("| " + cells.joined(separator: " | ") + " |")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
