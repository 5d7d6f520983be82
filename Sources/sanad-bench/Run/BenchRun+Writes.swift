import Histogram

extension BenchRun {
    /// Clients and the least ratio to the peer.
    private static let putTargets: [(clients: Int, ratio: Double)] = [
        (1, 0.8), (8, 1.2), (64, 1.5),
    ]

    func measurePuts(_ pair: BenchPair) throws {
        for (clients, ratio) in Self.putTargets {
            var ours: [Double] = []
            var theirs: [Double] = []
            var ourLatencies = Histogram<UInt64>(numberOfSignificantValueDigits: .two)
            var theirLatencies = Histogram<UInt64>(numberOfSignificantValueDigits: .two)
            var generatorMicroseconds = 0.0
            for round in 0..<options.rounds {
                try checkStop()
                let result = try PutsLoad(
                    endpoint: pair.rabat.records, clients: clients, collection: "bench",
                    warmUpSeconds: Double(options.warmUpSeconds),
                    measuredSeconds: Double(options.measuredSeconds), seed: UInt64(round + 1)
                ).run()
                ours.append(result.perSecond)
                ourLatencies.add(result.latencies)
                generatorMicroseconds = result.generatorSeconds * 1e6 / Double(result.puts)
                guard let postgres else { continue }
                let upserts = try postgres.upserts(
                    clients: clients, warmUp: options.warmUpSeconds,
                    seconds: options.measuredSeconds)
                theirs.append(upserts.perSecond)
                theirLatencies.add(upserts.latencies)
            }
            var note = latencyText("p50/p99", ourLatencies, unitsPerMillisecond: 1e6)
            if !theirs.isEmpty {
                note += latencyText(", PostgreSQL", theirLatencies, unitsPerMillisecond: 1e3)
            }
            note += ", generator \(decimal(generatorMicroseconds, places: 1)) us a put"
            add(
                Figure(
                    name: "puts, \(clients) client\(clients == 1 ? "" : "s")", unit: "/s",
                    ours: mean(ours), peer: theirs.isEmpty ? nil : mean(theirs),
                    target: .ratio(ratio), note: note))
        }
    }

    private func latencyText(
        _ name: String, _ latencies: Histogram<UInt64>, unitsPerMillisecond: Double
    ) -> String {
        let values = [50.0, 99.0].map { percentile in
            decimal(
                Double(latencies.valueAtPercentile(percentile)) / unitsPerMillisecond, places: 2)
        }
        return "\(name) \(values.joined(separator: "/")) ms"
    }

    func measureBulk(_ pair: BenchPair) throws {
        var ours: [Double] = []
        var theirs: [Double] = []
        for round in 0..<options.rounds {
            try checkStop()
            let result = try BulkLoad(
                endpoint: pair.rabat.records, collection: "bulk\(round)", rows: options.rows
            ).run()
            guard let answer = result.answers.first?.text, answer.contains("both-sites") else {
                throw Failure("the bulk import is not durable on both sites")
            }
            ours.append(result.rowsPerSecond)
            if let postgres { theirs.append(Double(options.rows) / (try postgres.copy())) }
        }
        add(
            Figure(
                name: "bulk import, \(grouped(Double(options.rows))) rows", unit: "rows/s",
                ours: mean(ours), peer: theirs.isEmpty ? nil : mean(theirs), target: .ratio(1),
                note: "PostgreSQL: COPY"))
    }

    func measureIdle(_ pair: BenchPair) throws {
        let processes = pair.nodes.compactMap(\.processIdentifier)
        let settled = try ProcessUsage.waitUntilQuiet(processes, seconds: 60)
        let before = try processes.map { try ProcessUsage(of: $0) }
        pause(milliseconds: UInt32(options.idleSeconds * 1_000))
        for (index, node) in pair.nodes.enumerated() {
            let after = try ProcessUsage(of: processes[index])
            let busy = after.processorSeconds - before[index].processorSeconds
            add(
                Figure(
                    name: "idle processor, \(node.name)", unit: "%",
                    ours: 100 * busy / options.idleSeconds, target: .atMost(1),
                    note: "work that the load left was done after \(settled) s"))
        }
    }

    private func mean(_ values: [Double]) -> Double {
        values.reduce(0, +) / Double(max(1, values.count))
    }
}
