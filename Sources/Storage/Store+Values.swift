import FoundationEssentials

/// How values of one type become an object's bytes, and come back.
public struct ValueCoding<Value>: Sendable {
    /// The content type of what is stored.
    public var contentType: String?
    /// Makes the bytes.
    public var encode: @Sendable (Value) throws -> [UInt8]
    /// Makes the value; throws where the bytes are none.
    public var decode: @Sendable ([UInt8]) throws -> Value

    /// A coding of these parts.
    public init(
        contentType: String? = nil, encode: @escaping @Sendable (Value) throws -> [UInt8],
        decode: @escaping @Sendable ([UInt8]) throws -> Value
    ) {
        self.contentType = contentType
        self.encode = encode
        self.decode = decode
    }
}

extension ValueCoding where Value: Codable & Sendable {
    /// JSON, with keys in order.
    public static var json: ValueCoding {
        ValueCoding(contentType: "application/json") { value in
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            return Array(try encoder.encode(value))
        } decode: { bytes in
            try JSONDecoder().decode(Value.self, from: Data(bytes))
        }
    }
}

extension Store {
    /// Stores a value. Its content type is the coding's, unless the options give one.
    ///
    /// - Throws: `invalid` where the value can't be encoded; what a put throws.
    @discardableResult
    public func put<Value: Sendable>(
        _ key: ObjectKey, value: Value, as coding: ValueCoding<Value>, options: PutOptions = PutOptions()
    ) async throws(StorageError) -> ObjectInfo {
        let bytes: [UInt8]
        do {
            bytes = try coding.encode(value)
        } catch {
            throw StorageError(.invalid, "the value can't be encoded: \(error)").during(.put, key: key)
        }
        var options = options
        options.attributes.contentType = options.attributes.contentType ?? coding.contentType
        return try await put(key, ObjectBody(bytes), options: options)
    }

    /// The value stored under `key`, and its info.
    ///
    /// - Throws: `invalid` where what is stored is no such value, `tooLarge` over `limit` bytes; what a get throws.
    public func value<Value: Sendable>(
        _ key: ObjectKey, as coding: ValueCoding<Value>, upTo limit: Int = 64 << 20, options: GetOptions = GetOptions()
    ) async throws(StorageError) -> (Value, ObjectInfo) {
        do throws(StorageError) {
            let object = try await get(key, options: options)
            let bytes = try await object.body.collect(upTo: limit)
            do {
                return (try coding.decode(bytes), object.info)
            } catch {
                throw StorageError(.invalid, "what is stored is no such value: \(error)")
            }
        } catch {
            throw error.during(.get, key: key)
        }
    }

    /// Whether there is an object under `key`.
    ///
    /// - Throws: what an info throws, save `notFound`.
    public func exists(_ key: ObjectKey) async throws(StorageError) -> Bool {
        do throws(StorageError) {
            _ = try await info(key)
            return true
        } catch  where error.kind == .notFound {
            return false
        }
    }
}
