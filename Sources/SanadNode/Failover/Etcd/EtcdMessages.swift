import Foundation

// The parts of etcd's JSON gateway (etcd 3.4, "api_grpc_gateway") that are used here. Keys and
// values are base64, 64-bit integers are strings, and what is zero or false is left out.

struct EtcdHeader: Decodable {
    var revision: String?
}

struct EtcdKeyValue: Decodable {
    var key: Data
    var value: Data?
    var modRevision: String

    enum CodingKeys: String, CodingKey {
        case key, value
        case modRevision = "mod_revision"
    }
}

struct EtcdRangeRequest: Encodable {
    var key: Data
    var rangeEnd: Data?

    enum CodingKeys: String, CodingKey {
        case key
        case rangeEnd = "range_end"
    }
}

struct EtcdRangeAnswer: Decodable {
    var kvs: [EtcdKeyValue]?
}

struct EtcdGrantRequest: Encodable {
    /// A whole number.
    var seconds: String

    enum CodingKeys: String, CodingKey { case seconds = "TTL" }
}

struct EtcdGrantAnswer: Decodable {
    var identifier: String
    var seconds: String

    enum CodingKeys: String, CodingKey {
        case identifier = "ID"
        case seconds = "TTL"
    }
}

struct EtcdTransaction: Encodable {
    struct Compare: Encodable {
        var key: Data
        var target = "MOD"
        var result = "EQUAL"
        /// Zero: the key does not exist.
        var modRevision: String

        enum CodingKeys: String, CodingKey {
            case key, target, result
            case modRevision = "mod_revision"
        }
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
        var put: Put?
        var delete: Delete?
        var range: EtcdRangeRequest?

        enum CodingKeys: String, CodingKey {
            case put = "request_put"
            case delete = "request_delete_range"
            case range = "request_range"
        }
    }

    var compare: [Compare]
    var success: [Operation]
    var failure: [Operation]
}

struct EtcdTransactionAnswer: Decodable {
    struct Response: Decodable {
        var range: EtcdRangeAnswer?

        enum CodingKeys: String, CodingKey { case range = "response_range" }
    }

    var header: EtcdHeader
    var succeeded: Bool?
    var responses: [Response]?
}

struct EtcdErrorAnswer: Decodable {
    var error: String?
}
