//! Connections that have not shown the token yet: few at once, and the oldest goes when one more comes.
//!
//! Whoever can reach loopback can connect, and say nothing. So what says nothing takes no room from the owner, who
//! shows the token as soon as there is a connection. Deliberately absent: connections of the owner.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::AbortHandle;

/// Those that there are, by the order in which they came.
#[derive(Default)]
pub(super) struct Strangers {
    open: Mutex<(u64, BTreeMap<u64, AbortHandle>)>,
}

/// One of them; it is none any more when this goes.
pub(super) struct Stranger {
    number: u64,
    all: Arc<Strangers>,
}

impl Strangers {
    /// Begins a connection; where there are `most` already, the oldest ends.
    pub(super) fn begin<T, F>(self: &Arc<Self>, most: usize, connection: F)
    where
        F: FnOnce(Stranger) -> T,
        T: Future<Output = ()> + Send + 'static,
    {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, all) = &mut *open;
        *next += 1;
        let stranger = Stranger {
            number: *next,
            all: Arc::clone(self),
        };
        let mut too_many = Vec::new();
        while all.len() >= most
            && let Some((_, oldest)) = all.pop_first()
        {
            too_many.push(oldest);
        }
        // It can't end before it stands here: to end it takes the lock that is held.
        let task = tokio::spawn(connection(stranger));
        all.insert(*next, task.abort_handle());
        drop(open);
        too_many.iter().for_each(AbortHandle::abort);
    }
}

impl Stranger {
    /// The token was shown: from now on nobody ends it for another.
    pub(super) fn is_known(&self) {
        let mut open = self.all.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.1.remove(&self.number);
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.is_known();
    }
}
