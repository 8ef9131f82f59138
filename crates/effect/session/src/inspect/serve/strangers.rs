//! Connections that have not shown the token yet: few at once, and the oldest goes when one more comes.
//!
//! Whoever can reach loopback can connect, and say nothing. So what says nothing takes no room from the owner, who
//! shows the token as soon as there is a connection. kubectl opens dozens at once, so each has a moment in which
//! nobody ends it; meanwhile others wait to be taken. Deliberately absent: connections of the owner.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// Those that there are.
pub(super) struct Strangers {
    most: usize,
    moment: Duration,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    last: u64,
    /// By the order in which they came: since when, and how they are ended.
    all: BTreeMap<u64, (Instant, AbortHandle)>,
}

/// One of them; it is none any more when this goes.
pub(super) struct Stranger {
    number: u64,
    all: Arc<Strangers>,
}

impl Strangers {
    /// Room for so many, each of which has a moment to say who it is.
    pub(super) fn new(most: usize, moment: Duration) -> Self {
        Self {
            most,
            moment,
            open: Mutex::default(),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for one more, for which the oldest ends as soon as its moment is over.
    pub(super) async fn room(&self) {
        loop {
            let (until, oldest) = {
                let mut open = self.open();
                if open.all.len() < self.most {
                    return;
                }
                match open.all.first_entry() {
                    Some(first) if first.get().0 + self.moment > Instant::now() => {
                        (first.get().0 + self.moment, None)
                    }
                    Some(first) => (Instant::now(), Some(first.remove().1)),
                    None => return,
                }
            };
            match oldest {
                Some(oldest) => oldest.abort(),
                // Others may have said who they are meanwhile.
                None => sleep_until(until.min(Instant::now() + SOON)).await,
            }
        }
    }

    /// Begins a connection.
    pub(super) fn begin<T, F>(self: &Arc<Self>, connection: F)
    where
        F: FnOnce(Stranger) -> T,
        T: Future<Output = ()> + Send + 'static,
    {
        let mut open = self.open();
        open.last += 1;
        let number = open.last;
        let all = Arc::clone(self);
        // It can't end before it stands here: to end it takes the lock that is held.
        let task = tokio::spawn(connection(Stranger { number, all }));
        let task = task.abort_handle();
        open.all.insert(number, (Instant::now(), task));
    }
}

/// How long it is waited before it is seen again whether there is room.
const SOON: Duration = Duration::from_millis(20);

impl Stranger {
    /// The token was shown: from now on nobody ends it for another.
    pub(super) fn is_known(&self) {
        self.all.open().all.remove(&self.number);
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.is_known();
    }
}
