import Glibc

/// Runs programs apart from the rest of the system: as root, or where users may have namespaces of their own.
package enum Namespaces {
    /// What comes before a command that is to have these of its own, as `unshare` names them: `--mount`, `--pid`.
    package static func own(_ kinds: String...) -> [String] {
        ["unshare"] + (geteuid() == 0 ? [] : ["--user", "--map-root-user"]) + kinds
    }
}
