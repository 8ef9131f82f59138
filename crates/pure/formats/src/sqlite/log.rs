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
/// Frames of no mark, one behind the other, after which no more of this log is looked for: a file may have a hole of a
/// terabyte.
const OTHERS: u32 = 1 << 16;

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
    end: End,
}

/// How a log ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// With its last transaction; what may stand behind it is not committed, or left of an earlier log.
    #[default]
    Whole,
    /// Within a frame, with one that commits and does not hold, or within its last transaction: so ends what was written
    /// when the power went.
    Cut {
        /// The first frame that does not hold, counted from 1.
        frame: u32,
    },
    /// A frame does not hold, and more of this very log stands behind it, which was committed.
    Broken {
        /// The frame, counted from 1.
        frame: u32,
        /// Frames from there on that bear this log's mark.
        behind: u32,
        /// Transactions that they commit.
        commits: u32,
    },
    /// A place can't be read.
    Unread {
        /// The frame, counted from 1.
        frame: u32,
        /// Why.
        why: String,
    },
}

impl<R: ReadAt> Log<R> {
    /// Reads all of it once.
    ///
    /// # Errors
    /// When it is no log, or none of a database with such pages.
    pub fn open(source: R, page_size: u32) -> Result<Self, LogError> {
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
            end: End::Whole,
        };
        log.index(sum);
        Ok(log)
    }

    /// Follows the sums from frame to frame.
    fn index(&mut self, mut sum: Sum) {
        let mut frame = vec![0; FRAME + self.page_size as usize];
        for number in 0.. {
            let at = self.place(number);
            if at + frame.len() as u64 > self.source.len() {
                self.end = self.behind(number, false);
                break;
            }
            if let Err(e) = self.source.read_at(at, &mut frame) {
                let why = format!("byte {at} of it can't be read: {e}");
                let frame = number + 1;
                self.end = End::Unread { frame, why };
                break;
            }
            sum = over(sum, &frame);
            let page = u32_be(&frame, 0).unwrap_or_default();
            let fits = page != 0 && sum.stands(&frame, 16);
            if !fits || part(&frame, 8..16) != self.salt {
                self.end = self.behind(number, fits);
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

    /// What it is that ends in front of this frame: by the marks of frames from there on, whose sums say nothing any
    /// more. SQLite gives a log that it begins anew another mark, so the frames of an earlier one have not this one.
    /// `fits`: by its sum this frame follows on the one before it, and only its mark is another.
    fn behind(&self, number: u32, fits: bool) -> End {
        let (mut is_cut, mut behind, mut commits) = (false, 0, 0);
        // One transaction goes from this frame to the end of the log.
        let mut is_last = !fits;
        let mut others = 0;
        for at in number.. {
            let mut head = [0; FRAME];
            let place = self.place(at);
            let Some(there) = self.source.len().checked_sub(place).filter(|n| *n > 0) else {
                break;
            };
            let is_whole = there >= FRAME as u64 + u64::from(self.page_size);
            let there = usize::try_from(there).map_or(FRAME, |n| n.min(FRAME));
            let read = head.get_mut(..there).map(|h| self.source.read_at(place, h));
            let is_marked = part(&head, 8..16) == self.salt || (fits && at == number);
            // With less than its mark, it may be of this log.
            is_cut |= at == number && there < 16;
            if !matches!(read, Some(Ok(()))) || !is_marked {
                others += 1;
                if others > OTHERS {
                    break;
                }
                continue;
            }
            others = 0;
            behind += 1;
            let is_commit = u32_be(&head, 4) != Some(0);
            is_last &= commits == 0 && !(is_commit && at == number);
            commits += u32::from(is_commit && is_whole && (at > number || fits));
            // What is not committed has no right sums before it is: that is the end of no transaction.
            is_cut |= at == number && (is_commit || !is_whole);
        }
        let frame = number + 1;
        match commits {
            0 if is_cut => End::Cut { frame },
            0 => End::Whole,
            // Frames reach the disk in any order until the one that commits is synced, and SQLite syncs that one before
            // it begins the next transaction: so may end what was written when the power went.
            1 if is_last => End::Cut { frame },
            commits => End::Broken {
                frame,
                behind,
                commits,
            },
        }
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
            Ok(now) => (now.salt, now.committed) != (self.salt, self.committed),
            Err(_) => true,
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

    /// Pages from this one on that stand in it, and that the database has.
    pub(super) fn from(&self, page: u32) -> u64 {
        let at = |page: u32| self.frames.partition_point(|(p, _)| *p < page) as u64;
        at(self.pages.saturating_add(1)).saturating_sub(at(page))
    }

    /// How it ends.
    pub fn end(&self) -> &End {
        &self.end
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
