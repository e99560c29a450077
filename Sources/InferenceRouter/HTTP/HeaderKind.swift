/// Header names that the router treats in a way of their own.
///
/// Everything else passes unchanged.
enum HeaderKind: UInt8 {
    case other
    case host
    case contentLength
    case transferEncoding
    case connection
    /// Only for one connection: `keep-alive`, `te`, `upgrade`, `proxy-*`.
    case hopByHop
    case authorization
    case expect
    case modelDeployment
    case requestID
    case clientRequestID
    /// `ms-azureml-model-error-*`: only the router may say these.
    case modelError

    /// The kind of the header whose name these bytes are, in any case.
    static func of(_ name: UnsafePointer<UInt8>, _ count: Int) -> HeaderKind {
        switch count {
        case 2: return matches(name, "te") ? .hopByHop : .other
        case 4: return matches(name, "host") ? .host : .other
        case 6: return matches(name, "expect") ? .expect : .other
        case 7: return matches(name, "upgrade") ? .hopByHop : .other
        case 10:
            if matches(name, "connection") { return .connection }
            return matches(name, "keep-alive") ? .hopByHop : .other
        case 12: return matches(name, "x-request-id") ? .requestID : .other
        case 13: return matches(name, "authorization") ? .authorization : .other
        case 14: return matches(name, "content-length") ? .contentLength : .other
        case 16: return matches(name, "proxy-connection") ? .hopByHop : .other
        case 17: return matches(name, "transfer-encoding") ? .transferEncoding : .other
        case 18: return matches(name, "proxy-authenticate") ? .hopByHop : .other
        case 19: return matches(name, "proxy-authorization") ? .hopByHop : .other
        case 22: return matches(name, "x-ms-client-request-id") ? .clientRequestID : .other
        case 24: return matches(name, "azureml-model-deployment") ? .modelDeployment : .other
        case 29: return matches(name, "ms-azureml-model-error-reason") ? .modelError : .other
        case 33: return matches(name, "ms-azureml-model-error-statuscode") ? .modelError : .other
        default: return .other
        }
    }

    /// True when the bytes equal `lower`, letters in any case.
    ///
    /// `lower` has as many bytes as are compared.
    @inline(__always)
    static func matches(_ name: UnsafePointer<UInt8>, _ lower: StaticString) -> Bool {
        let expected = lower.utf8Start
        var index = 0
        while index < lower.utf8CodeUnitCount {
            var byte = name[index]
            if byte &- 0x41 < 26 { byte |= 0x20 }
            if byte != expected[index] { return false }
            index += 1
        }
        return true
    }
}
