internal import Foundation
internal import KubeCore
internal import Testing

/// The main example on the shared instance: each step is made once, by whoever needs it first.
final class Digits: Sendable {
    struct Endpoint: Sendable {
        var scoringURI: String
        var key: String
    }

    static let example = Requirements.package + "/examples/digits"
    static let job = "digits-main"

    private let instance: Instance
    private let trained = Once<Outcome>()
    private let downloaded = Once<String>()
    private let model = Once<JSON>()
    private let deployed = Once<Endpoint>()

    init(_ instance: Instance) { self.instance = instance }

    /// What `job create --stream` printed.
    func train() async throws -> Outcome {
        try await trained.value { [instance] in
            // The first job installs scikit-learn and mlflow.
            try await instance.outrigger(
                "ml",
                "job",
                "create",
                "--file",
                Digits.example + "/train.yml",
                "--name",
                Digits.job,
                "--stream",
                limit: .seconds(300)
            )
        }
    }

    /// Folder with the held-back images and their labels.
    func heldBack() async throws -> String {
        _ = try await train()
        return try await downloaded.value { [instance] in
            try await instance.outrigger(
                "ml",
                "job",
                "download",
                "--name",
                Digits.job,
                "--output-name",
                "held_back",
                "--download-path",
                "results"
            )
            return instance.folder + "/results/named-outputs/held_back"
        }
    }

    /// The registered model.
    func register() async throws -> JSON {
        _ = try await train()
        return try await model.value { [instance] in
            try await instance.json(
                "ml",
                "model",
                "create",
                "--name",
                "digits",
                "--path",
                "azureml://jobs/\(Digits.job)/outputs/model",
                "--type",
                "custom_model"
            )
        }
    }

    /// The endpoint with its deployment, ready for requests.
    func deploy() async throws -> Endpoint {
        _ = try await register()
        return try await deployed.value { [instance] in
            try await instance.outrigger("ml", "online-endpoint", "create", "--file", Digits.example + "/endpoint.yml")
            try await instance.outrigger(
                "ml",
                "online-deployment",
                "create",
                "--file",
                Digits.example + "/deployment.yml",
                "--all-traffic",
                limit: .seconds(120)
            )
            let endpoint = try await instance.json("ml", "online-endpoint", "show", "--name", "digits")
            let keys = try await instance.json("ml", "online-endpoint", "get-credentials", "--name", "digits")
            return Endpoint(
                scoringURI: try #require(endpoint["scoring_uri"]?.stringValue),
                key: try #require(keys["primaryKey"]?.stringValue)
            )
        }
    }

    /// Share of the held-back images that were read rightly.
    func share(of predictions: JSON) async throws -> Double {
        let labels = try #require(try instance.read(try await heldBack() + "/labels.json").arrayValue)
        let digits = try #require(predictions.arrayValue)
        try #require(labels.count == digits.count && !labels.isEmpty)
        return Double(zip(labels, digits).count { $0.intValue == $1.intValue }) / Double(labels.count)
    }
}
