import KubeCore
import Testing

@Suite struct RelativePathTests {
    @Test("Names below a folder stay below it")
    func below() {
        #expect(RelativePath.below("a/b/", "a/b/c/d.txt") == "c/d.txt")
        #expect(RelativePath.below("a/b/", "a/b/..c/d..") == "..c/d..")
        #expect(RelativePath.below("", "x") == "x")
    }

    @Test(
        "Others are refused",
        arguments: [
            "a/b/", "a/bc", "x/y", "a/b/../c", "a/b/c/..", "a/b/..", "a/b/../\u{301}x", "a/b/c/../\u{301}x", "a/b/x\0y",
            "a/b//",
        ]
    )
    func refused(_ name: String) {
        #expect(RelativePath.below("a/b/", name) == nil)
    }
}
