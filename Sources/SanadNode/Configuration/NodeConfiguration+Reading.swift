import SanadCore

extension NodeConfiguration {
    /// Where the daemon and the command line look when no path is given.
    public static let defaultPath = "/etc/sanad/sanad.yaml"

    /// Reads a configuration from its text.
    ///
    /// - Parameters:
    ///   - text: the YAML.
    ///   - file: what errors call the text.
    ///   - directory: what relative paths are relative to; absolute.
    /// - Throws: all errors at once.
    public static func read(
        _ text: String, file: String, directory: String = "/"
    ) throws(ConfigurationError) -> ConfigurationReading {
        let values = ConfigurationValues(ConfigurationDocument(text), directory: directory)
        let rules = ConfigurationRules(values)
        var problems = (values.problems + rules.problems).inFileOrder()
        if values.role != .data {
            problems.append(
                ConfigurationProblem(
                    line: values.line("node.role"), key: "node.role",
                    message: "is \(values.role.rawValue); a data node's file is wanted here"))
        }
        let warnings = rules.warnings.inFileOrder()
        guard problems.isEmpty, let configuration = NodeConfiguration(values) else {
            throw ConfigurationError(file: file, problems: problems, warnings: warnings)
        }
        return ConfigurationReading(
            configuration: configuration, warnings: warnings, settings: values.settings)
    }

    /// Reads a configuration file. Relative paths in it are relative to its directory.
    public static func load(_ path: String) throws(ConfigurationError) -> ConfigurationReading {
        let file = try ConfigurationFile(path)
        return try read(file.text, file: path, directory: file.directory)
    }

    /// Puts the values in their places; nil when a required one is missing, which is an error that
    /// was reported before.
    private init?(_ values: ConfigurationValues) {
        guard let cluster = Cluster(values), let node = Node(values), let store = Store(values),
            let peer = Peer(values), let link = Link(values),
            let replication = Replication(values),
            let arbiter = Arbiter(values, cluster: cluster.id),
            let failover = Failover(values), let records = Records(values),
            let retention = Retention(values), let hooks = Hooks(values),
            let operations = Operations(values), let socket = values.text("control.socket"),
            let log = Log(values)
        else { return nil }
        self.init(
            cluster: cluster, node: node, store: store, retention: retention, peer: peer,
            link: link, replication: replication, arbiter: arbiter, failover: failover,
            hooks: hooks, records: records, operations: operations,
            control: Control(socketPath: socket), log: log)
    }
}

extension NodeConfiguration.Log {
    init?(_ values: ConfigurationValues) {
        guard let level = values.choice("log.level", NodeConfiguration.LogLevel.self),
            let format = values.choice("log.format", NodeConfiguration.LogFormat.self)
        else { return nil }
        self.init(level: level, format: format)
    }
}

extension NodeConfiguration.Cluster {
    init?(_ values: ConfigurationValues) {
        guard let id = values.identifier("cluster.id") else { return nil }
        self.init(id: id, name: values.text("cluster.name"))
    }
}

extension NodeConfiguration.Node {
    init?(_ values: ConfigurationValues) {
        guard let name = values.nodeName("node.name"),
            let role = values.choice(
                "node.initial_role", NodeConfiguration.InitialRole.self)
        else { return nil }
        self.init(name: name, initialRole: role)
    }
}

extension NodeConfiguration.Store {
    init?(_ values: ConfigurationValues) {
        guard let directory = values.text("store.directory"),
            let memtable = values.integer("store.memtable"),
            let segment = values.integer("store.segment_size")
        else { return nil }
        self.init(directory: directory, memtableBytes: memtable, segmentBytes: segment)
    }
}

extension NodeConfiguration.Retention {
    init?(_ values: ConfigurationValues) {
        guard let age = values.span("retention.minimum_age"),
            let maximum = values.number("retention.maximum_bytes"),
            let free = values.number("retention.free_bytes")
        else { return nil }
        self.init(minimumAge: age, maximumBytes: maximum, freeBytes: free)
    }
}

extension NodeConfiguration.Hooks {
    init?(_ values: ConfigurationValues) {
        guard let timeout = values.span("hooks.timeout") else { return nil }
        self.init(
            vetoCommand: values.text("hooks.veto_command"),
            eventCommand: values.text("hooks.event_command"), timeout: timeout)
    }
}

extension NodeConfiguration.Peer {
    init?(_ values: ConfigurationValues) {
        guard let name = values.nodeName("peer.name"), let host = values.text("peer.host"),
            let port = values.integer("peer.port")
        else { return nil }
        self.init(
            name: name, address: Endpoint(host: host, port: port),
            recordsURL: values.text("peer.records_url"))
    }
}

extension NodeConfiguration.Link {
    init?(_ values: ConfigurationValues) {
        guard let listen = values.endpoint("link.listen"),
            let certificate = values.text("link.certificate"),
            let privateKey = values.text("link.private_key"),
            let authority = values.text("link.authority"),
            let window = values.integer("link.window")
        else { return nil }
        self.init(
            listen: listen, certificate: certificate, privateKey: privateKey,
            authority: authority, windowBytes: window)
    }
}

extension NodeConfiguration.Replication {
    init?(_ values: ConfigurationValues) {
        guard
            let mode = values.choice("replication.mode", NodeConfiguration.ReplicationMode.self),
            let loss = values.choice(
                "replication.on_standby_loss", NodeConfiguration.StandbyLoss.self)
        else { return nil }
        self.init(mode: mode, onStandbyLoss: loss)
    }
}

extension NodeConfiguration.Failover {
    init?(_ values: ConfigurationValues) {
        guard let mode = values.choice("failover.mode", NodeConfiguration.FailoverMode.self),
            let heartbeat = values.span("failover.heartbeat"),
            let lease = values.span("failover.lease"),
            let drift = values.number("failover.drift"),
            let maxLoss = values.number("failover.max_loss")
        else { return nil }
        self.init(
            mode: mode, heartbeat: heartbeat, lease: lease, driftPartsPerMillion: drift,
            maxLoss: maxLoss, degradeAfter: values.span("failover.degrade_after"))
    }
}

extension NodeConfiguration.Arbiter {
    /// Nil when a key of the chosen arbiter is missing.
    init?(_ values: ConfigurationValues, cluster: Identifier) {
        switch values.text("failover.arbiter") {
        case "none": self = .none
        case "witness":
            guard let name = values.nodeName("witness.name"),
                let address = values.endpoint("witness.address")
            else { return nil }
            self = .witness(.init(name: name, address: address))
        case "etcd":
            guard let endpoints = values.endpoints("etcd.endpoints"),
                let authority = values.text("etcd.ca"),
                let certificate = values.text("etcd.certificate"),
                let privateKey = values.text("etcd.key")
            else { return nil }
            let prefix = values.text("etcd.prefix") ?? "/sanad/\(cluster)/"
            self = .etcd(
                .init(
                    endpoints: endpoints, authority: authority, certificate: certificate,
                    privateKey: privateKey, prefix: prefix.hasSuffix("/") ? prefix : prefix + "/"))
        default: return nil
        }
    }
}

extension NodeConfiguration.TLSFiles {
    init?(_ values: ConfigurationValues, section: String) {
        guard let certificate = values.text("\(section).tls.certificate"),
            let privateKey = values.text("\(section).tls.private_key")
        else { return nil }
        self.init(certificate: certificate, privateKey: privateKey)
    }
}

extension NodeConfiguration.Records {
    init?(_ values: ConfigurationValues) {
        guard let listen = values.endpoint("records.listen"),
            let queue = values.integer("records.queue")
        else { return nil }
        self.init(
            listen: listen, tls: NodeConfiguration.TLSFiles(values, section: "records"),
            queueRequests: queue)
    }
}

extension NodeConfiguration.Operations {
    init?(_ values: ConfigurationValues) {
        guard let listen = values.endpoint("operations.listen") else { return nil }
        self.init(
            listen: listen, tls: NodeConfiguration.TLSFiles(values, section: "operations"))
    }
}
