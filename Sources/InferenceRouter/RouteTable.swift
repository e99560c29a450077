/// What the router serves at one moment: a value that is replaced as a whole.
package struct RouteTable: Sendable, Hashable {
    /// By endpoint name.
    package var endpoints: [String: Endpoint]

    package init(endpoints: [Endpoint] = []) {
        self.endpoints = Dictionary(endpoints.map { ($0.name, $0) }) { first, _ in first }
    }

    package struct Endpoint: Sendable, Hashable {
        package var name: String
        package var auth: Authentication
        package var deployments: [Deployment]

        package init(name: String, auth: Authentication, deployments: [Deployment]) {
            self.name = name
            self.auth = auth
            self.deployments = deployments
        }
    }

    /// How callers of an endpoint prove themselves.
    ///
    /// Both ways use `Authorization: Bearer …`.
    package enum Authentication: Sendable, Hashable {
        /// Either key is accepted, so that one can be replaced while the other is in use. With none, nobody is let in.
        case keys(primary: KeyDigest?, secondary: KeyDigest?)
        /// Tokens, judged by `RouterConfiguration.verifyToken`.
        case token
    }

    package struct Deployment: Sendable, Hashable {
        package var name: String
        /// Share of the traffic in percent; the weights of an endpoint sum to 0 or 100.
        package var weight: Int
        package var settings: Settings
        package var backends: [Backend]

        package init(name: String, weight: Int, settings: Settings = Settings(), backends: [Backend]) {
            self.name = name
            self.weight = weight
            self.settings = settings
            self.backends = backends
        }
    }

    package struct Settings: Sendable, Hashable {
        /// From the arrival of the request to the end of the response's head; 504 after.
        package var requestTimeoutMilliseconds = 5000
        /// Never more requests than these on one instance.
        package var maxConcurrentPerInstance = 1
        /// Longest wait for a free instance; 503 after.
        package var maxQueueWaitMilliseconds = 500
        /// Waiting requests; more get 503 at once.
        package var maxQueueLength = 1000
        /// Path of the model container that answers `/score`.
        package var scoringPath = "/score"

        package init() {}
    }

    package struct Backend: Sendable, Hashable {
        /// The pod's uid; a new pod behind an old address is a new backend.
        package var id: String
        package var address: String
        package var port: Int
        package var isReady: Bool
        package var isTerminating: Bool

        package init(id: String, address: String, port: Int, isReady: Bool = true, isTerminating: Bool = false) {
            self.id = id
            self.address = address
            self.port = port
            self.isReady = isReady
            self.isTerminating = isTerminating
        }
    }
}
