internal import AsyncHTTPClient
internal import Foundation

/// `HTTPS_PROXY` and `NO_PROXY` of the environment.
enum ProxySettings {
    /// The proxy on the way to `host`; nil for none.
    ///
    /// - Throws: `PackagingError` for a proxy address that names no host.
    static func proxy(
        for host: String,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> HTTPClient.Configuration.Proxy? {
        func value(_ name: String) -> String? {
            [name, name.lowercased()].compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        guard let text = value("HTTPS_PROXY") ?? value("ALL_PROXY"), !isExcluded(host, value("NO_PROXY") ?? "") else {
            return nil
        }
        guard let url = URLComponents(string: text.contains("://") ? text : "http://" + text), let proxy = url.host,
            !proxy.isEmpty
        else {
            throw PackagingError(
                .downloadFailed,
                "HTTPS_PROXY is '\(text)', which names no host",
                remedy: "set it to http://HOST:PORT or unset it"
            )
        }
        let port = url.port ?? 3128
        guard let user = url.user else { return .server(host: proxy, port: port) }
        return .server(
            host: proxy,
            port: port,
            authorization: .basic(username: user, password: url.password ?? "")
        )
    }

    private static func isExcluded(_ host: String, _ list: String) -> Bool {
        if host == "localhost" || host == "::1" || host.hasPrefix("127.") { return true }
        return list.split(separator: ",").contains { item in
            let name = item.filter { $0 != " " }
            let suffix = name.hasPrefix(".") ? name : "." + name
            return name == "*" || host == name || host.hasSuffix(suffix)
        }
    }
}
