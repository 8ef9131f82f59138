//! Pages of a database as its last transaction left them: from the log, or else from the file.
//!
//! Deliberately absent: what stands in them (`tree`).

use std::sync::atomic::{AtomicU64, Ordering};

use super::log::{Found, Log};
use super::{Definition, OpenError, schema};
use crate::bbolt::Damage;
use crate::bytes::{u16_be, u32_be};
use crate::read_at::ReadAt;

/// Bytes of the head of a database.
const HEAD: usize = 100;

/// Where SQLite locks a database that it has open: the page there is never written, and never in a log.
const LOCKS: u64 = 1 << 30;

/// What a database says of itself at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of a page.
    pub page_size: u32,
    /// Bytes at the end of each page that hold nothing of it.
    reserved: u8,
    /// Pages, as it says; older versions of SQLite leave what no longer holds.
    pages: Option<u32>,
    /// Pages that hold nothing.
    pub free: u32,
    /// How text is written: 1 is UTF-8.
    encoding: u32,
}

impl Head {
    /// Reads the head of a file.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(source: &impl ReadAt) -> Result<Self, OpenError> {
        let mut head = [0; HEAD];
        source
            .read_at(0, &mut head)
            .map_err(|e| OpenError::Head(e.to_string()))?;
        Self::new(&head)
    }

    fn new(head: &[u8]) -> Result<Self, OpenError> {
        let not = |why: &str| Err(OpenError::Head(why.to_owned()));
        if !head.starts_with(b"SQLite format 3\0") {
            return not("it does not begin as a database of SQLite");
        }
        let page_size = match u16_be(head, 16) {
            Some(1) => 65_536,
            Some(size) if size >= 512 && size.is_power_of_two() => u32::from(size),
            _ => return not("pages can't have such a length"),
        };
        let reserved = head.get(20).copied().unwrap_or_default();
        if page_size - u32::from(reserved) < 480 {
            return not("nothing is left of a page");
        }
        let word = |at| u32_be(head, at).unwrap_or_default();
        Ok(Self {
            page_size,
            reserved,
            // It holds where whoever changed the file last wrote it, too.
            pages: Some(word(28)).filter(|n| *n > 0 && word(24) == word(92)),
            free: word(36),
            encoding: word(56),
        })
    }
}

/// A database and what its log commits.
pub struct Pages<M, L> {
    file: M,
    log: Option<Log<L>>,
    head: Head,
    count: u32,
    overwritten: AtomicU64,
}

impl<M: ReadAt, L: ReadAt> Pages<M, L> {
    /// Puts the log over the file.
    ///
    /// # Errors
    /// When the first page does not hold.
    pub fn open(file: M, log: Option<Log<L>>) -> Result<Self, OpenError> {
        let mut head = Head::read(&file)?;
        let there = file.len() / u64::from(head.page_size);
        let count = match &log {
            Some(log) => log.pages(),
            None => u32::try_from(there).unwrap_or(u32::MAX),
        };
        let mut pages = Self {
            file,
            log,
            head,
            count,
            overwritten: AtomicU64::new(0),
        };
        let mut first = Vec::new();
        pages
            .read(1, &mut first)
            .map_err(|damage| OpenError::Head(damage.what))?;
        // As the log has it, which may be newer.
        head = Head::new(&first)?;
        if head.page_size != pages.head.page_size {
            let why = "its log has another length of pages".to_owned();
            return Err(OpenError::Head(why));
        }
        // An empty database has not said it yet.
        if head.encoding > 1 {
            return Err(OpenError::Encoding);
        }
        pages.head = head;
        Ok(pages)
    }

    /// Pages that it has by its head or its log, and that stand nowhere.
    pub fn missing(&self) -> u64 {
        let size = u64::from(self.head.page_size);
        let there = self.file.len() / size;
        let behind = u32::try_from(there.saturating_add(1)).unwrap_or(u32::MAX);
        let (count, in_log) = match &self.log {
            Some(log) => (self.count, log.from(behind)),
            None => (self.head.pages.unwrap_or(0), 0),
        };
        let locks = LOCKS / size + 1;
        let is_passed = there < locks && locks <= u64::from(count);
        let wanted = u64::from(count).saturating_sub(there);
        wanted.saturating_sub(in_log + u64::from(is_passed))
    }

    /// What it says of itself.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Pages that it has.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of a page that hold something.
    pub(super) fn usable(&self) -> usize {
        self.head.page_size as usize - usize::from(self.head.reserved)
    }

    /// Fills the buffer with a page, without what is reserved.
    pub(super) fn read(&self, page: u32, out: &mut Vec<u8>) -> Result<(), Damage> {
        let size = u64::from(self.head.page_size);
        let offset = u64::from(page.saturating_sub(1)) * size;
        let damage = |what: String| Damage { offset, what };
        if page == 0 || page > self.count {
            return Err(damage(format!("there is no page {page}")));
        }
        out.resize(self.head.page_size as usize, 0);
        let found = match &self.log {
            Some(log) => log.read(page, out),
            None => Ok(Found::Elsewhere),
        };
        match found {
            Ok(Found::Here) => {}
            Ok(elsewhere) => {
                // Before a log is begun anew, all of it is brought into the file: that has it, or a later one.
                if elsewhere == Found::Overwritten {
                    self.overwritten.fetch_add(1, Ordering::Relaxed);
                }
                self.file
                    .read_at(offset, out)
                    .map_err(|e| damage(format!("page {page} can't be read: {e}")))?;
            }
            Err(e) => {
                return Err(damage(format!("page {page} can't be read in the log: {e}")));
            }
        }
        out.truncate(self.usable());
        Ok(())
    }

    /// How often a page of the log was not there any more.
    pub fn overwritten(&self) -> u64 {
        self.overwritten.load(Ordering::Relaxed)
    }

    /// The log, where there is one.
    pub fn log(&self) -> Option<&Log<L>> {
        self.log.as_ref()
    }

    /// The file.
    pub fn file(&self) -> &M {
        &self.file
    }

    /// How a table is defined, and the page at its root; `None` where there is none of the name.
    ///
    /// # Errors
    /// When the list of all tables can't be read.
    pub fn table(&self, name: &str) -> Result<Option<Definition>, OpenError> {
        schema::find(self, name)
    }
}
