import GCSStorage
import HTTP
import Storage

extension GCSConfiguration {
    init(_ node: ConfigurationNode) throws {
        let fields = try node.fields(
            "type", "bucket", "prefix", "endpoint", "credentials", "anonymous", "create_in_project", "part_size",
            "max_attempts", "connect_timeout", "stall_timeout", "max_connections", "proxy", "ca")
        guard let bucket = fields["bucket"] else { throw node.failure("has no bucket") }
        self.init(bucket: try bucket.string())
        prefix = try fields["prefix"]?.string() ?? ""
        endpoint = try fields["endpoint"]?.text() ?? endpoint
        createInProject = try fields["create_in_project"]?.text()
        partSize = try fields["part_size"]?.size(in: 256 << 10...1 << 30) ?? partSize
        maxAttempts = try fields["max_attempts"]?.integer(in: 1...100) ?? maxAttempts
        http = try HTTPOptions(fields)
        if try fields["anonymous"]?.boolean() ?? false {
            guard fields["credentials"] == nil else { throw node.failure("has both credentials and anonymous") }
            credentials = .anonymous
        } else if let key = fields["credentials"] {
            let json = try key.secret()
            do throws(StorageError) { credentials = .key(try ServiceAccountKey(json: json)) } catch {
                throw key.failure(error.message)
            }
        }
        do throws(StorageError) { try validate() } catch { throw node.failure(error.message) }
    }
}
