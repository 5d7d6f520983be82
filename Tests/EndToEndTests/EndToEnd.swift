import Testing

/// Everything that runs daemons as processes: one cluster at a time, since a lease of a second does
/// not go with a processor that ten clusters share.
@Suite("End to end", .serialized)
enum EndToEnd {}
