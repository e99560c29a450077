"""Each control of the checker, broken once."""

import copy
import unittest

import pod_security

GOOD = {
    "metadata": {},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "containers": [
            {
                "name": "c",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    },
}
BASELINE = [
    ("spec", {"hostNetwork": True}), ("spec", {"hostPID": True}), ("spec", {"hostIPC": True}),
    ("spec", {"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}),
    ("spec", {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}),
    ("spec", {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
    ("spec", {"securityContext": {"windowsOptions": {"hostProcess": True}}}),
    ("spec", {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}),
    ("spec", {"securityContext": {"seLinuxOptions": {"user": "root"}}}),
    ("spec", {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}),
    ("metadata", {"annotations": {pod_security.APPARMOR_ANNOTATION + "c": "unconfined"}}),
    ("container", {"securityContext": {"privileged": True}}),
    ("container", {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}),
    ("container", {"securityContext": {"procMount": "Unmasked"}}),
    ("container", {"ports": [{"containerPort": 1, "hostPort": 1}]}),
    ("container", {"readinessProbe": {"httpGet": {"port": 1, "host": "example.com"}}}),
    ("container", {"lifecycle": {"preStop": {"tcpSocket": {"port": 1, "host": "example.com"}}}}),
]
RESTRICTED = [
    ("spec", {"volumes": [{"name": "a", "nfs": {"server": "a", "path": "/"}}]}),
    ("spec", {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}),
    ("spec", {"securityContext": {"runAsNonRoot": True}}),
    ("container", {"securityContext": {"capabilities": {"drop": ["ALL"]}}}),
    ("container", {"securityContext": {"allowPrivilegeEscalation": False}}),
    (
        "container",
        {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}},
    ),
]


def broken(where: str, change: dict) -> dict:
    template = copy.deepcopy(GOOD)
    place = template["spec"]["containers"][0] if where == "container" else template[where]
    place.update(change)
    return template


class PodSecurityTests(unittest.TestCase):
    def test_a_good_pod_passes(self):
        self.assertEqual(pod_security.restricted(GOOD), [])

    def test_each_baseline_control_is_seen(self):
        for where, change in BASELINE:
            with self.subTest(change=change):
                self.assertEqual(len(pod_security.baseline(broken(where, change))), 1)

    def test_init_containers_count(self):
        template = copy.deepcopy(GOOD)
        template["spec"]["initContainers"] = [{"name": "i", "securityContext": {"privileged": True}}]
        self.assertEqual(pod_security.baseline(template), ["i: privileged"])

    def test_each_restricted_control_is_seen(self):
        for where, change in RESTRICTED:
            with self.subTest(change=change):
                template = broken(where, change)
                self.assertEqual(pod_security.baseline(template), [])
                self.assertEqual(len(pod_security.restricted(template)), 1)


if __name__ == "__main__":
    unittest.main()
