import HTTP
import HTTPStorage
import Logging
import Storage

/// What opening a store finds out.
struct S3Opening: Sendable {
    let configuration: S3Configuration
    let client: S3Client
    let logger: Logger

    /// Makes sure that the bucket is there, and finds out what its server can do.
    func bucket() async throws(StorageError) -> S3Bucket {
        let order = ListOrder()
        try await find(order)
        let bare = S3Bucket(client: client, configuration: configuration, abilities: S3Abilities(), order: order)
        if try await !listsByBytes(bare) {
            order.distrust()
            logger.notice(
                "a listing of bucket “\(configuration.bucket)” reads whole prefixes: its order is another, or unknown")
        }
        let abilities = try await abilities(bare)
        return S3Bucket(client: client, configuration: configuration, abilities: abilities, order: order)
    }

    private func find(_ order: ListOrder) async throws(StorageError) {
        // A listing, since only its answer says which of bucket, key and permission is missing.
        var request = S3Request(.get, query: ListRequest(prefix: "", limit: 1).query(configuration.prefix))
        request.timeout = S3Bucket.shortTimeout
        do throws(S3Failure) {
            order.learn(try await client.document(request).1.headers)
        } catch {
            if error.code == "NoSuchBucket" || error.code.isEmpty && error.status == 404, configuration.create {
                return try await create()
            }
            // Whoever may only read and write objects may work without it.
            guard error.code != "AccessDenied" else {
                return logger.warning("bucket “\(configuration.bucket)” may not be listed with these credentials")
            }
            throw error.error(bucket: configuration.bucket)
        }
    }

    private func create() async throws(StorageError) {
        var request = S3Request(.put)
        if let region = configuration.region, region != "us-east-1", client.endpoint.isAWS {
            let text =
                "<CreateBucketConfiguration><LocationConstraint>\(XMLDocument.escape(region))"
                + "</LocationConstraint></CreateBucketConfiguration>"
            request.body = .bytes(Array(text.utf8), digest: nil)
        }
        request.timeout = S3Bucket.shortTimeout
        do throws(S3Failure) {
            try await client.head(request)
        } catch {
            guard error.code == "BucketAlreadyOwnedByYou" || error.code == "BucketAlreadyExists" else {
                throw error.error(bucket: configuration.bucket)
            }
        }
    }

    private func listsByBytes(_ bucket: S3Bucket) async throws(StorageError) -> Bool {
        switch configuration.listOrder {
        case .bytes: true
        case .other: false
        case .detect where client.endpoint.isAWS: true
        case .detect: bucket.order.isByBytes ? try await S3OrderProbe(bucket).run() : false
        }
    }

    private func abilities(_ bucket: S3Bucket) async throws(StorageError) -> S3Abilities {
        var abilities: S3Abilities
        switch configuration.conditionalWrites {
        case .supported:
            abilities = .all
            // Few servers look at what a copy replaces; without it the object is written again.
            abilities.conditionalCopy = client.endpoint.isAWS
        case .unsupported: abilities = S3Abilities()
        case .detect where client.endpoint.isAWS: abilities = .all
        case .detect: abilities = try await S3Probe(client: client, root: configuration.prefix).run(bucket)
        }
        abilities.conditionalMultipart =
            abilities.compareAndSwap && (configuration.conditionalMultipart ?? client.endpoint.isAWS)
        if !abilities.compareAndSwap || !abilities.createOnly {
            logger.notice("the server of bucket “\(configuration.bucket)” does not honour all conditions on writes")
        }
        return abilities
    }
}
