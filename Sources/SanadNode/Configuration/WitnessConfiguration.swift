public import SanadCore

/// What a witness is and where it listens: the file with `node.role: witness`, checked.
public struct WitnessConfiguration: Sendable, Equatable {
    public var cluster: NodeConfiguration.Cluster
    public var name: NodeName
    public var directory: String
    public var link: Link
    /// The two data nodes.
    public var members: [NodeName]
    /// What a witness waits that does not know what it has granted: lease × (1 + drift).
    public var grantWait: Span
    public var operations: NodeConfiguration.Operations
    public var log: NodeConfiguration.Log

    public struct Link: Sendable, Equatable {
        public var listen: Endpoint
        public var certificate: String
        public var privateKey: String
        public var authority: String
    }

    /// Nil when a required value is missing, which is an error that was reported before.
    init?(_ values: ConfigurationValues) {
        guard let cluster = NodeConfiguration.Cluster(values),
            let name = values.nodeName("node.name"),
            let directory = values.text("store.directory"),
            let listen = values.endpoint("link.listen"),
            let certificate = values.text("link.certificate"),
            let privateKey = values.text("link.private_key"),
            let authority = values.text("link.authority"),
            let members = values.nodeNames("witness.members"),
            let lease = values.span("failover.lease"),
            let drift = values.number("failover.drift"),
            let operations = NodeConfiguration.Operations(values),
            let log = NodeConfiguration.Log(values)
        else { return nil }
        self.cluster = cluster
        self.name = name
        self.directory = directory
        self.link = Link(
            listen: listen, certificate: certificate, privateKey: privateKey, authority: authority)
        self.members = members
        grantWait = lease.withDrift(partsPerMillion: drift)
        self.operations = operations
        self.log = log
    }
}

/// The configuration of one `sanadd`, by its role.
public enum DaemonConfiguration: Sendable, Equatable {
    case data(NodeConfiguration)
    case witness(WitnessConfiguration)

    public var name: NodeName {
        switch self {
        case .data(let configuration): configuration.node.name
        case .witness(let configuration): configuration.name
        }
    }

    public var log: NodeConfiguration.Log {
        switch self {
        case .data(let configuration): configuration.log
        case .witness(let configuration): configuration.log
        }
    }
}

/// A configuration of either role, and what an operator should still know about it.
public struct DaemonConfigurationReading: Sendable, Equatable {
    public var configuration: DaemonConfiguration
    public var warnings: [ConfigurationProblem]
    /// Every key that the role reads, in the order of the reference.
    public var settings: [ConfigurationReading.Setting]

    /// Reads a file of either role. Relative paths in it are relative to its directory.
    ///
    /// - Throws: all errors at once.
    public static func load(
        _ path: String
    ) throws(ConfigurationError) -> DaemonConfigurationReading {
        let file = try ConfigurationFile(path)
        return try read(file.text, file: path, directory: file.directory)
    }

    /// Reads a configuration of either role from its text; see `NodeConfiguration.read`.
    public static func read(
        _ text: String, file: String, directory: String = "/"
    ) throws(ConfigurationError) -> DaemonConfigurationReading {
        let values = ConfigurationValues(ConfigurationDocument(text), directory: directory)
        guard values.role == .witness else {
            let reading = try NodeConfiguration.read(text, file: file, directory: directory)
            return DaemonConfigurationReading(
                configuration: .data(reading.configuration), warnings: reading.warnings,
                settings: reading.settings)
        }
        let rules = ConfigurationRules(values)
        let problems = (values.problems + rules.problems).inFileOrder()
        let warnings = rules.warnings.inFileOrder()
        guard problems.isEmpty, let configuration = WitnessConfiguration(values) else {
            throw ConfigurationError(file: file, problems: problems, warnings: warnings)
        }
        return DaemonConfigurationReading(
            configuration: .witness(configuration), warnings: warnings, settings: values.settings)
    }
}
