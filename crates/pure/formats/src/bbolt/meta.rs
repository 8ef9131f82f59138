//! The two meta pages: which of them counts.
//!
//! bbolt writes them in turn, so that one is whole whatever happens. Deliberately absent: repair.

use crate::bytes::{u32_le, u64_le};
use crate::read_at::ReadAt;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// Bytes of a meta page that are read: the header and the body.
const BODY: usize = super::HEADER + 64;
/// There is no list of free pages on disk (`common.PgidNoFreelist`).
const NO_FREELIST: u64 = u64::MAX;

/// One meta page that can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Bytes of a page.
    pub page_size: u32,
    /// The page of the bucket of buckets.
    pub root: u64,
    /// Page of the list of free pages, if there is one on disk.
    pub freelist: Option<u64>,
    /// One past the highest page in use.
    pub high_water: u64,
    /// The transaction that wrote it.
    pub txid: u64,
}

/// Both meta pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metas {
    chosen: Meta,
    /// Why the other one can't be used; one such is normal after a crash.
    pub other: Option<String>,
}

/// Why a file is no database that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Neither meta page is one of bbolt's.
    #[error("no bbolt database: {0}")]
    NotBolt(String),
    /// They are bbolt's, and neither is whole.
    #[error("both meta pages are invalid: {first}; {second}")]
    BothInvalid {
        /// What is wrong with the first.
        first: String,
        /// What is wrong with the second.
        second: String,
    },
}

impl Metas {
    pub(super) fn read(source: &impl ReadAt, length: u64) -> Result<Self, OpenError> {
        let first = Meta::read(source, 0, length);
        // The second stands one page behind; how long a page is only the first says. If that is damaged, all
        // sizes are tried, as bbolt does.
        let sizes: Vec<u64> = match &first {
            Ok(meta) => vec![u64::from(meta.page_size)],
            Err(_) => (0..16).map(|i| 1024 << i).collect(),
        };
        let mut second = Err(Invalid::Foreign("it is too short for a second one".into()));
        for at in sizes {
            match Meta::read(source, at, length) {
                Ok(meta) if u64::from(meta.page_size) == at => {
                    second = Ok(meta);
                    break;
                }
                Ok(_) => {}
                Err(why @ Invalid::Broken(_)) => second = Err(why),
                Err(why) => {
                    if !matches!(second, Err(Invalid::Broken(_))) {
                        second = Err(why);
                    }
                }
            }
        }
        match (first, second) {
            (Ok(a), Ok(b)) => Ok(Self {
                chosen: if b.txid > a.txid { b } else { a },
                other: None,
            }),
            (Ok(chosen), Err(why)) => Ok(Self {
                chosen,
                other: Some(format!("meta page 1: {why}")),
            }),
            (Err(why), Ok(chosen)) => Ok(Self {
                chosen,
                other: Some(format!("meta page 0: {why}")),
            }),
            (Err(Invalid::Foreign(why)), Err(Invalid::Foreign(_))) => Err(OpenError::NotBolt(why)),
            (Err(a), Err(b)) => Err(OpenError::BothInvalid {
                first: a.to_string(),
                second: b.to_string(),
            }),
        }
    }

    /// The one that counts: whole, and of the later transaction.
    pub fn chosen(&self) -> &Meta {
        &self.chosen
    }
}

/// Why a meta page can't be used.
enum Invalid {
    /// It is none of bbolt's.
    Foreign(String),
    /// It was one.
    Broken(String),
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Foreign(why) | Self::Broken(why) => f.write_str(why),
        }
    }
}

impl Meta {
    fn read(source: &impl ReadAt, at: u64, length: u64) -> Result<Self, Invalid> {
        if at + BODY as u64 > length {
            return Err(Invalid::Foreign(format!("it has only {length} bytes")));
        }
        let mut page = [0; BODY];
        source
            .read_at(at, &mut page)
            .map_err(|e| Invalid::Broken(format!("byte {at} can't be read: {e}")))?;
        let body = page.get(super::HEADER..).unwrap_or_default();
        let number = |n: usize| u64_le(body, n).unwrap_or(0);
        let small = |n: usize| u32_le(body, n).unwrap_or(0);
        if small(0) != MAGIC {
            return Err(Invalid::Foreign(format!(
                "no mark of bbolt at byte {}",
                at + super::HEADER as u64
            )));
        }
        if small(4) != VERSION {
            return Err(Invalid::Broken(format!("version {} is unknown", small(4))));
        }
        let sum = fnv1a(body.get(..56).unwrap_or_default());
        if sum != number(56) {
            return Err(Invalid::Broken("its checksum is wrong".into()));
        }
        let page_size = small(8);
        if !page_size.is_power_of_two() || !(512..=1 << 20).contains(&page_size) {
            return Err(Invalid::Broken(format!("pages of {page_size} bytes")));
        }
        Ok(Self {
            page_size,
            root: number(16),
            freelist: Some(number(32)).filter(|f| *f != NO_FREELIST),
            high_water: number(40),
            txid: number(48),
        })
    }
}

/// The checksum of a meta page.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
