//! The bytes of an entry that are hashed. `migrations/README.md` specifies them; `docmill.audit_bytes` is the same in SQL.

use docmill_model::digest::Digest;
use uuid::Uuid;

/// What every encoding begins with.
const VERSION: u8 = 1;

/// A sealed entry as the database has it, in the forms that are hashed.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub seq: i64,
    pub tenant: Uuid,
    pub id: Uuid,
    /// Microseconds since 1970 in UTC.
    pub at_us: i64,
    pub action: String,
    pub subject: String,
    pub key: Option<Uuid>,
    /// Address and length of the mask: `192.0.2.1/32`.
    pub client_ip: Option<String>,
    pub request: Option<Uuid>,
    /// As PostgreSQL writes `jsonb`.
    pub detail: Option<String>,
    /// What the sealer computed.
    pub hash: Vec<u8>,
}

impl Entry {
    /// The hash that the entry has at this place, after an entry of that hash.
    pub fn hash_at(&self, seq: i64, previous: &Digest) -> Digest {
        let mut bytes = self.bytes(seq);
        bytes.extend_from_slice(previous.as_bytes());
        Digest::of(&bytes)
    }

    /// Whether the sealer computed this hash for it.
    pub fn has(&self, hash: &Digest) -> bool {
        self.hash == hash.as_bytes()
    }

    fn bytes(&self, seq: i64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(VERSION);
        let mut part = |number: u8, value: &[u8]| {
            // The database refuses what is longer than a few thousand bytes.
            let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
            bytes.push(number);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(value);
        };
        part(1, &seq.to_be_bytes());
        part(2, self.tenant.as_bytes());
        part(3, self.id.as_bytes());
        part(4, &self.at_us.to_be_bytes());
        part(5, self.action.as_bytes());
        part(6, self.subject.as_bytes());
        if let Some(key) = self.key {
            part(7, key.as_bytes());
        }
        if let Some(address) = &self.client_ip {
            part(8, address.as_bytes());
        }
        if let Some(request) = self.request {
            part(9, request.as_bytes());
        }
        if let Some(detail) = &self.detail {
            part(10, detail.as_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            seq: 258,
            tenant: Uuid::from_u128(1),
            id: Uuid::from_u128(2),
            at_us: -1,
            action: "key.create".into(),
            subject: "ж".into(),
            key: None,
            client_ip: Some("192.0.2.1/32".into()),
            request: None,
            detail: None,
            hash: Vec::new(),
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let mut expected = vec![1, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2];
        expected.extend([2, 0, 0, 0, 16]);
        expected.extend(1_u128.to_be_bytes());
        expected.extend([3, 0, 0, 0, 16]);
        expected.extend(2_u128.to_be_bytes());
        expected.extend([4, 0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255]);
        expected.extend([5, 0, 0, 0, 10]);
        expected.extend(b"key.create");
        expected.extend([6, 0, 0, 0, 2, 0xd0, 0xb6]);
        expected.extend([8, 0, 0, 0, 12]);
        expected.extend(b"192.0.2.1/32");
        assert_eq!(entry().bytes(258), expected);
    }

    #[test]
    fn what_stands_in_one_column_cannot_stand_for_another() {
        let moved = Entry {
            action: "key.creat".into(),
            subject: "eж".into(),
            ..entry()
        };
        let previous = Digest::of(b"previous");
        assert_ne!(moved.hash_at(258, &previous), entry().hash_at(258, &previous));
        assert_ne!(entry().hash_at(259, &previous), entry().hash_at(258, &previous));
        assert_ne!(
            entry().hash_at(258, &Digest::of(b"other")),
            entry().hash_at(258, &previous)
        );
    }
}
