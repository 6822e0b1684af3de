import Logging
import StorageOperations

/// The keys of `log`.
enum LogKeys {
    private static let levelNames = Logger.Level.allCases.map { ($0.rawValue, $0) }

    static let section = Section<LogSettings>(
        "What is logged, to standard error.",
        [
            .choice("level", \.level, levelNames, "The least important that is."),
            .choice("format", \.format, [("text", .text), ("json", .json)], "How a record is written, on one line."),
            Setting("levels", .section(levels.description([:])), "Levels of parts, in place of level.") {
                try levels.read($0, into: &$1.levels)
            },
        ])

    private static let levels = Section<[LogSettings.Part: Logger.Level]>(
        "Levels of parts.",
        LogSettings.Part.allCases.map { part in
            Setting(part.rawValue, .choice(levelNames.map(\.0)), "Of \(part.rawValue).") {
                $1[part] = try $0.choice(levelNames)
            }
        })
}
