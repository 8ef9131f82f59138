//! Bytes that can be asked for by their place: a file, a remote disk, a buffer.
//!
//! Everything that reads a datastore reads through this, so that a disk that dies gives an error with its
//! offset. Deliberately absent: mapped memory, where it would be a signal, and files (`collect` opens them).

use std::io;

/// Something of a known length whose bytes can be asked for in any order, from several threads.
pub trait ReadAt: Sync {
    /// Bytes in all, when it was opened.
    fn len(&self) -> u64;

    /// Is there nothing in it?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills the whole buffer with what stands at this offset.
    ///
    /// # Errors
    /// When the source can't be read there, or ends before the buffer is full.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = from
            .checked_add(buffer.len())
            .and_then(|end| self.get(from..end))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(found);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(offset, buffer)
    }
}

impl<R: ReadAt + ?Sized + Send> ReadAt for Box<R> {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buffer)
    }
}

impl<R: ReadAt + ?Sized> ReadAt for &R {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buffer)
    }
}
