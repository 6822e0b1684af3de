import FileStorage
import Storage

extension FileStoreConfiguration {
    static let section = Section<FileStoreConfiguration>(
        "Files in a folder.",
        [
            Setting("path", .text, "The folder.") { node, store in
                let path = try node.string()
                guard !path.isEmpty else { throw node.failure("is empty") }
                store.path = path
            }.required,
            .choice(
                "durability", \.durability, [("always", .always), ("batched", .batched), ("none", .none)],
                "When what is put is on the disk: before the answer, soon, or when the system likes."),
            .boolean("verify", \.verify, "Whether what is read is checked against its digest."),
            .integer("threads", \.threads, in: 1...256, "How many threads read and write."),
            .duration(
                "temporary_grace", \.temporaryGrace, "How old a file must be that a dead writer left, to be removed."),
            .duration("sweep_interval", \.sweepInterval, "How often that is looked for."),
        ])
}
