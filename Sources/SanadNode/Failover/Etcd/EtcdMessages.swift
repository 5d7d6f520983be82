import Foundation

// The parts of etcd's JSON gateway (etcd 3.4, "api_grpc_gateway") that are used here. Keys and
// values are base64, 64-bit integers are strings, and what is zero or false is left out.

struct EtcdHeader: Decodable {
    var revision: String?
}

struct EtcdKeyValue: Decodable {
    var key: Data
    var value: Data?
    var mod_revision: String
}

struct EtcdRangeRequest: Encodable {
    var key: Data
    var range_end: Data?
}

struct EtcdRangeAnswer: Decodable {
    var kvs: [EtcdKeyValue]?
}

struct EtcdGrantRequest: Encodable {
    var TTL: String
}

struct EtcdGrantAnswer: Decodable {
    var ID: String
    var TTL: String
}

struct EtcdTransaction: Encodable {
    struct Compare: Encodable {
        var key: Data
        var target = "MOD"
        var result = "EQUAL"
        /// Zero: the key does not exist.
        var mod_revision: String
    }

    struct Put: Encodable {
        var key: Data
        var value: Data
        var lease: String?
    }

    struct Delete: Encodable {
        var key: Data
    }

    /// One of the three is set.
    struct Operation: Encodable {
        var request_put: Put?
        var request_delete_range: Delete?
        var request_range: EtcdRangeRequest?
    }

    var compare: [Compare]
    var success: [Operation]
    var failure: [Operation]
}

struct EtcdTransactionAnswer: Decodable {
    struct Response: Decodable {
        var response_range: EtcdRangeAnswer?
    }

    var header: EtcdHeader
    var succeeded: Bool?
    var responses: [Response]?
}

struct EtcdErrorAnswer: Decodable {
    var error: String?
}
