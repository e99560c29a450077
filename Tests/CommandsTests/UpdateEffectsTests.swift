internal import Testing

@testable import Commands

@Suite struct UpdateEffectsTests {
    struct Example: Sendable, CustomTestStringConvertible {
        var settings: [String: String]
        /// nil = no question.
        var wantAffected: String?
        var testDescription: String { settings.description }
    }

    private static let both = "jobs and online endpoints and deployments"
    private static let endpoints = "online endpoints and deployments"

    @Test(arguments: [
        Example(settings: ["enableTraining": "False"], wantAffected: "running jobs. "),
        Example(settings: ["enableTraining": "True"]), Example(settings: ["enableInference": "True"]),
        Example(settings: ["EnableInference": "false"], wantAffected: "running \(endpoints). "),
        Example(settings: ["installNvidiaDevicePlugin": "FALSE"], wantAffected: both),
        Example(settings: ["installNvidiaDevicePlugin": "True"]),
        Example(settings: ["allowInsecureConnections": "True"], wantAffected: endpoints),
        Example(settings: ["inferenceRouterServiceType": "clusterIP"], wantAffected: endpoints),
        Example(settings: ["internalLoadBalancerProvider": "azure"], wantAffected: endpoints),
        Example(settings: ["sslCname": "a.b"], wantAffected: endpoints),
        Example(settings: ["nodeSelector.a/b": "c"], wantAffected: both),
        Example(settings: ["logAnalyticsWS": "True"], wantAffected: both),
        Example(settings: ["logAnalyticsWS": "False"]), Example(settings: ["installPromOp": "False"]),
        Example(settings: [:]),
    ])
    func `A change is asked about when it disturbs what runs`(example: Example) {
        let question = UpdateEffects.question(example.settings)
        if let want = example.wantAffected {
            #expect(question?.contains(want) == true)
        } else {
            #expect(question == nil)
        }
    }
}
