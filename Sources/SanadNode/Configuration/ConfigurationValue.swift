import SanadCore

/// A value of the file, read by its key's kind.
enum ConfigurationValue: Sendable, Equatable {
    case text(String)
    case identifier(Identifier)
    case nodeName(NodeName)
    case endpoint(Endpoint)
    case duration(Span)
    /// Sizes, counts, ports and parts per million.
    case number(UInt64)
    case nodeNames([NodeName])
    case endpoints([Endpoint])
}

/// Why a text is not a value of its key.
struct ConfigurationValueError: Error, Equatable {
    var message: String
}

extension ConfigurationKey {
    /// Reads a scalar of the file.
    ///
    /// - Parameter directory: what relative paths are relative to.
    func read(
        _ text: String, directory: String
    ) throws(ConfigurationValueError) -> ConfigurationValue {
        switch kind {
        case .text:
            guard (1...255).contains(text.utf8.count) else { throw unlike(text, "1 to 255 bytes") }
            return .text(text)
        case .identifier:
            guard let identifier = Identifier(text), identifier != .none else {
                throw unlike(text, "a UUID; make one with: uuidgen")
            }
            return .identifier(identifier)
        case .nodeName:
            guard let name = NodeName(text) else {
                throw unlike(
                    text,
                    "a node name: a small letter, then at most 62 small letters, digits or hyphens"
                )
            }
            return .nodeName(name)
        case .host:
            guard Endpoint.isHost(text) else { throw unlike(text, "a host name or an address") }
            return .text(text)
        case .endpoint:
            guard let endpoint = Endpoint(text) else {
                throw unlike(text, "host:port, for example 0.0.0.0:7400 or [::1]:7400")
            }
            return .endpoint(endpoint)
        case .url:
            return .text(try readURL(text))
        case .path, .socketPath:
            return .text(try readPath(text, directory: directory))
        case .program:
            guard text.hasPrefix("/"), !text.hasSuffix("/"), !text.utf8.contains(0) else {
                throw unlike(
                    text, "the absolute path of a program, without arguments; put them in a script")
            }
            return .text(text)
        case .choice(let values, let refused):
            if let reason = refused[text] { throw ConfigurationValueError(message: reason) }
            guard values.contains(text) else {
                throw unlike(text, "one of: " + values.joined(separator: ", "))
            }
            return .text(text)
        case .duration, .bytes, .percentage, .count, .port:
            return try readQuantity(text)
        case .nodeNames(let count):
            return .nodeNames(
                try readList(text, count, "a node name, for example rabat") { NodeName($0) })
        case .endpoints(let count):
            return .endpoints(
                try readList(text, count, "host:port, for example etcd1.example.org:2379") {
                    Endpoint($0)
                })
        }
    }

    /// Reads the elements of a list, which the document joined with commas.
    private func readList<Element: Hashable>(
        _ text: String, _ count: ClosedRange<Int>, _ expected: String,
        _ element: (String) -> Element?
    ) throws(ConfigurationValueError) -> [Element] {
        var elements: [Element] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let word = String(part.drop { $0 == " " })
            guard let value = element(word) else { throw unlike(word, expected) }
            guard !elements.contains(value) else {
                throw ConfigurationValueError(message: "\"\(word)\" is there twice")
            }
            elements.append(value)
        }
        guard count.contains(elements.count) else {
            throw ConfigurationValueError(
                message: "has \(elements.count) elements; it takes \(rangeText)")
        }
        return elements
    }

    private func readQuantity(
        _ text: String
    ) throws(ConfigurationValueError) -> ConfigurationValue {
        switch kind {
        case .duration(let range):
            guard let span = Units.span(text) else {
                throw unlike(
                    text,
                    "a duration: a whole number with a unit (ms, s, min, h), for example 500ms")
            }
            guard range.contains(span) else { throw outside(text) }
            return .duration(span)
        case .bytes(let range):
            guard let bytes = Units.bytes(text) else {
                throw unlike(
                    text,
                    "a size: a whole number with a unit (B, KiB, MiB, GiB), for example 64MiB")
            }
            guard range.contains(bytes) else { throw outside(text) }
            return .number(bytes)
        case .percentage(let range):
            guard let parts = Units.partsPerMillion(text) else {
                throw unlike(text, "a percentage with its sign, for example 1 % or 0.5 %")
            }
            guard range.contains(parts) else { throw outside(text) }
            return .number(parts)
        case .count(let range):
            guard let count = Units.number(text) else { throw unlike(text, "a whole number") }
            guard range.contains(count) else { throw outside(text) }
            return .number(count)
        default:
            guard let port = Units.number(text), (1...65_535).contains(port) else {
                throw unlike(text, "a port, 1 to 65535")
            }
            return .number(port)
        }
    }

    private func readURL(_ text: String) throws(ConfigurationValueError) -> String {
        let expected = "http:// or https://, a host and a port, for example https://rabat:7401"
        for scheme in ["https://", "http://"] where text.hasPrefix(scheme) {
            var rest = text.dropFirst(scheme.count)
            // A path would be lost when a client joins it with the one it asked for.
            if rest.last == "/" { rest = rest.dropLast() }
            guard Endpoint(String(rest)) != nil || Endpoint.isHost(String(rest)) else {
                throw unlike(text, expected)
            }
            return scheme + rest
        }
        throw unlike(text, expected)
    }

    private func readPath(
        _ text: String, directory: String
    ) throws(ConfigurationValueError) -> String {
        guard !text.isEmpty, !text.utf8.contains(0) else { throw unlike(text, "a path") }
        guard !text.hasPrefix("~") else {
            throw ConfigurationValueError(
                message: "\"\(text)\": the daemon has no home directory; write the whole path")
        }
        var path = text
        if !text.hasPrefix("/") {
            path = (directory.hasSuffix("/") ? directory : directory + "/") + text
        }
        // `sockaddr_un.sun_path` has 108 bytes, the last one a zero (unix(7)).
        if case .socketPath = kind, path.utf8.count > 107 {
            throw ConfigurationValueError(
                message: "\"\(path)\" has \(path.utf8.count) bytes; "
                    + "a socket's path has at most 107")
        }
        return path
    }

    private func unlike(_ text: String, _ expected: String) -> ConfigurationValueError {
        ConfigurationValueError(message: "\"\(text)\" is not \(expected)")
    }

    private func outside(_ text: String) -> ConfigurationValueError {
        ConfigurationValueError(message: "\(text) is outside \(rangeText)")
    }
}
