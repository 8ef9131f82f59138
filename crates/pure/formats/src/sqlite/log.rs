//! A write-ahead log, and where in it the committed pages stand.
//!
//! A frame counts when its salt is the head's, the sums of all frames up to it are right, and a frame that commits
//! follows. All is looked at again when a page is read: a writer that begins the log anew overwrites its frames.
//! Source: sqlite.org/walformat.html. Deliberately absent: the `-shm` beside it, which is an index of the log for
//! the machine and the moment that wrote it.

use std::io;

use crate::bytes::u32_be;
use crate::read_at::ReadAt;

/// Bytes of the log's head, and of a frame's.
const HEAD: usize = 32;
const FRAME: usize = 24;

/// Why a log is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It ends within its head.
    #[error("it is no whole log, it has {0} bytes")]
    Short(u64),
    /// Its head can't be read.
    #[error("its head can't be read: {0}")]
    Unread(String),
    /// Its first bytes are other ones.
    #[error("it does not begin as a log of SQLite")]
    Foreign,
    /// Its head is damaged.
    #[error("the checksum of its head is wrong")]
    Sum,
    /// Its pages are of another length.
    #[error("its pages have {log} bytes, the database's {database}: it belongs to another one")]
    PageSize {
        /// Of the log.
        log: u32,
        /// Of the database.
        database: u32,
    },
}

/// The running sums over a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum {
    a: u32,
    b: u32,
    is_big: bool,
}

impl Sum {
    fn over(mut self, bytes: &[u8]) -> Self {
        let number = |four: &[u8]| {
            let four: [u8; 4] = four.try_into().unwrap_or_default();
            match self.is_big {
                true => u32::from_be_bytes(four),
                false => u32::from_le_bytes(four),
            }
        };
        let (mut a, mut b) = (self.a, self.b);
        for pair in bytes.chunks_exact(8) {
            let (x, y) = pair.split_at(4);
            a = a.wrapping_add(number(x)).wrapping_add(b);
            b = b.wrapping_add(number(y)).wrapping_add(a);
        }
        (self.a, self.b) = (a, b);
        self
    }

    /// Is it what stands at this place?
    fn stands(self, bytes: &[u8], at: usize) -> bool {
        (u32_be(bytes, at), u32_be(bytes, at + 4)) == (Some(self.a), Some(self.b))
    }
}

/// The sums with a frame: its page's number, the length of the database, the page.
fn over(sum: Sum, frame: &[u8]) -> Sum {
    sum.over(part(frame, 0..8))
        .over(part(frame, FRAME..frame.len()))
}

fn part(bytes: &[u8], range: std::ops::Range<usize>) -> &[u8] {
    bytes.get(range).unwrap_or_default()
}

/// A log whose frames were looked at.
pub struct Log<R> {
    source: R,
    page_size: u32,
    salt: [u8; 8],
    is_big: bool,
    /// Page and frame, by page: the last of each that was committed.
    frames: Vec<(u32, u32)>,
    /// Frames up to the last that commits.
    committed: u32,
    /// Pages that the database has with it.
    pages: u32,
    unread: Option<String>,
}

impl<R: ReadAt> Log<R> {
    /// Reads all of it once; `None` where nothing was committed in it.
    ///
    /// # Errors
    /// When it is no log, or none of a database with such pages.
    pub fn open(source: R, page_size: u32) -> Result<Option<Self>, LogError> {
        let mut head = [0; HEAD];
        if source.len() < HEAD as u64 {
            return Err(LogError::Short(source.len()));
        }
        source
            .read_at(0, &mut head)
            .map_err(|e| LogError::Unread(e.to_string()))?;
        let word = |at| u32_be(&head, at).unwrap_or_default();
        if word(0) & !1 != 0x377f_0682 || word(4) != 3_007_000 {
            return Err(LogError::Foreign);
        }
        let (a, b, is_big) = (0, 0, word(0) & 1 == 1);
        let sum = Sum { a, b, is_big }.over(part(&head, 0..24));
        if !sum.stands(&head, 24) {
            return Err(LogError::Sum);
        }
        if word(8) != page_size {
            return Err(LogError::PageSize {
                log: word(8),
                database: page_size,
            });
        }
        let mut log = Self {
            source,
            page_size,
            salt: part(&head, 16..24).try_into().unwrap_or_default(),
            is_big,
            frames: Vec::new(),
            committed: 0,
            pages: 0,
            unread: None,
        };
        log.index(sum);
        Ok((log.committed > 0).then_some(log))
    }

    /// Follows the sums from frame to frame.
    fn index(&mut self, mut sum: Sum) {
        let mut frame = vec![0; FRAME + self.page_size as usize];
        for number in 0.. {
            let at = self.place(number);
            if at + frame.len() as u64 > self.source.len() {
                break;
            }
            if let Err(e) = self.source.read_at(at, &mut frame) {
                self.unread = Some(format!("byte {at} of it can't be read: {e}"));
                break;
            }
            sum = over(sum, &frame);
            let page = u32_be(&frame, 0).unwrap_or_default();
            if page == 0 || part(&frame, 8..16) != self.salt || !sum.stands(&frame, 16) {
                break;
            }
            self.frames.push((page, number));
            // A frame that says how long the database is now ends a transaction.
            let pages = u32_be(&frame, 4).unwrap_or_default();
            if pages != 0 {
                (self.committed, self.pages) = (number + 1, pages);
            }
        }
        self.frames.truncate(self.committed as usize);
        // The last of each page first, and only that one.
        self.frames
            .sort_unstable_by_key(|(page, number)| (*page, std::cmp::Reverse(*number)));
        self.frames.dedup_by_key(|(page, _)| *page);
        self.frames.shrink_to_fit();
    }

    fn place(&self, number: u32) -> u64 {
        HEAD as u64 + u64::from(number) * (FRAME as u64 + u64::from(self.page_size))
    }

    /// Fills the buffer with a page, if it stands in the log.
    ///
    /// # Errors
    /// When the log can't be read there.
    pub(super) fn read(&self, page: u32, out: &mut Vec<u8>) -> io::Result<Found> {
        let Ok(n) = self.frames.binary_search_by_key(&page, |(page, _)| *page) else {
            return Ok(Found::Elsewhere);
        };
        let Some((_, number)) = self.frames.get(n).copied() else {
            return Ok(Found::Elsewhere);
        };
        // The sum up to this frame stands in the one before it, or in the log's head.
        let mut before = [0; 8];
        let at = match number.checked_sub(1) {
            Some(last) => self.place(last) + 16,
            None => 24,
        };
        let mut frame = vec![0; FRAME + self.page_size as usize];
        let read = self.source.read_at(at, &mut before);
        match read.and_then(|()| self.source.read_at(self.place(number), &mut frame)) {
            // It was cut to nothing, as a checkpoint can do.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(Found::Overwritten),
            read => read?,
        }
        let word = |at| u32_be(&before, at).unwrap_or_default();
        let (a, b, is_big) = (word(0), word(4), self.is_big);
        let sum = over(Sum { a, b, is_big }, &frame);
        let is_same = u32_be(&frame, 0) == Some(page) && part(&frame, 8..16) == self.salt;
        if !is_same || !sum.stands(&frame, 16) {
            return Ok(Found::Overwritten);
        }
        out.clear();
        out.extend_from_slice(part(&frame, FRAME..frame.len()));
        Ok(Found::Here)
    }

    /// Was anything committed in it since, or was it begun anew? The clock of a file system is too coarse to say so.
    pub fn has_moved(&self) -> bool {
        match Log::open(&self.source, self.page_size) {
            Ok(Some(now)) => (now.salt, now.committed) != (self.salt, self.committed),
            _ => true,
        }
    }

    /// Frames up to the last that commits.
    pub fn committed(&self) -> u64 {
        u64::from(self.committed)
    }

    /// Pages that the database has with it.
    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// Pages that stand in it.
    pub(super) fn distinct(&self) -> u64 {
        self.frames.len() as u64
    }

    /// Why it ends where it does, if that is a place that can't be read.
    pub fn unread(&self) -> Option<&str> {
        self.unread.as_deref()
    }

    /// The bytes.
    pub fn source(&self) -> &R {
        &self.source
    }
}

/// Where a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// In the log, and it was read.
    Here,
    /// Not in the log.
    Elsewhere,
    /// It was in the log, which was begun anew since.
    Overwritten,
}
