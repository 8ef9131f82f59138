//! Which faults are run, and on which labs.
//! Deliberately absent: any preference; what is chosen depends on the seed alone.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use libtest_mimic::Failed;
use xtask::full::commit;
use xtask::lab::fault::{Family, Fault};

/// A kind of lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// How many servers.
    pub servers: usize,
    /// With SQLite in the place of etcd.
    pub sqlite: bool,
    /// How many agents: without one there are no pods.
    pub agents: usize,
}

impl Kind {
    /// Those that faults are done to. The largest comes first: what only it can show is chosen there.
    pub const ALL: [Self; 6] = [
        Self::of(3, false, 0),
        Self::of(2, false, 0),
        Self::of(1, false, 0),
        Self::of(1, true, 0),
        Self::of(1, false, 1),
        Self::of(1, false, 2),
    ];

    /// So many servers, with SQLite or etcd, and so many agents.
    pub const fn of(servers: usize, sqlite: bool, agents: usize) -> Self {
        Self {
            servers,
            sqlite,
            agents,
        }
    }

    /// The test's name.
    pub fn name(self) -> &'static str {
        match (self.servers, self.sqlite, self.agents) {
            (1, false, 0) => "one_server_is_broken_and_healed",
            (1, true, 0) => "one_server_with_sqlite_is_broken_and_healed",
            (2, _, 0) => "two_servers_are_broken_and_healed",
            (3, _, 0) => "three_servers_are_broken_and_healed",
            (_, _, 1) => "an_agent_is_broken_and_healed",
            (_, _, 2) => "two_agents_are_broken_and_healed",
            _ => "servers_are_well",
        }
    }

    /// Its name in the table, when nothing is wrong.
    pub fn well(self) -> String {
        let store = if self.sqlite { "-sqlite" } else { "" };
        let agents = match self.agents {
            0 => String::new(),
            more => format!("-agents-{more}"),
        };
        format!("well-{}{store}{agents}", self.servers)
    }

    fn fits(self, fault: &Fault) -> bool {
        fault.fits(self.servers, self.sqlite, self.agents)
    }

    /// How many faults `make test` does to it.
    fn share(self) -> usize {
        match (self.servers, self.sqlite, self.agents) {
            (3, _, 0) => 5,
            (2, _, 0) => 1,
            (1, false, 0) => 2,
            (1, true, 0) => 2,
            (1, _, 1) => 2,
            // What wants two agents is one with two names only, and is run with all.
            _ => 0,
        }
    }
}

/// The faults of a run, each with its lab.
pub struct Runs {
    /// Every fault there is.
    pub full: bool,
    /// What the choice goes by, where there is one.
    pub seed: Option<u64>,
    chosen: Vec<(Kind, &'static Fault)>,
}

impl Runs {
    /// What the environment asks for, else a choice that goes with the commit: what failed on it is run on it again.
    /// With changes that are not committed it is a choice of chance.
    pub fn choose() -> Result<Self, Failed> {
        let full = std::env::var_os("DEFIB_FULL").is_some();
        if let Ok(names) = std::env::var("LAB_FAULTS") {
            let chosen: Result<Vec<_>, Failed> = names
                .split(',')
                .map(|name| {
                    let fault = Fault::named(name)?;
                    Ok((home(fault), fault))
                })
                .collect();
            return Ok(Self {
                full,
                seed: None,
                chosen: chosen?,
            });
        }
        if full {
            return Ok(Self {
                full,
                seed: None,
                chosen: all(),
            });
        }
        let seed = match std::env::var("LAB_SEED") {
            Ok(text) => text.parse()?,
            Err(_) => match commit() {
                Some(commit) => of_commit(&commit)?,
                None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
            },
        };
        Ok(Self {
            full,
            seed: Some(seed),
            chosen: by_seed(seed),
        })
    }

    /// Those of a kind of lab.
    pub fn of(&self, kind: Kind) -> Vec<&'static Fault> {
        let own = self.chosen.iter().filter(|(k, _)| *k == kind);
        own.map(|(_, fault)| *fault).collect()
    }
}

impl fmt::Display for Runs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(seed) = self.seed {
            write!(out, "LAB_SEED={seed}: ")?;
        }
        let names: Vec<&str> = self.chosen.iter().map(|(_, f)| f.name).collect();
        write!(out, "{} faults: {}", names.len(), names.join(", "))
    }
}

/// Every fault, on one server where that is enough, else on three: two have no majority without either.
pub fn all() -> Vec<(Kind, &'static Fault)> {
    Fault::all().map(|fault| (home(fault), fault)).collect()
}

fn home(fault: &'static Fault) -> Kind {
    let found = Kind::ALL
        .iter()
        .filter(|kind| kind.fits(fault))
        .min_by_key(|kind| [3, 0, 2, 1].get(kind.servers).copied());
    *found.unwrap_or(&Kind::ALL[0])
}

fn of_commit(commit: &str) -> Result<u64, Failed> {
    let digits = commit.get(..12).unwrap_or(commit);
    Ok(u64::from_str_radix(digits, 16)?)
}

/// On each kind of lab so many: on the first one of every family that fits, then others.
fn by_seed(seed: u64) -> Vec<(Kind, &'static Fault)> {
    let mut faults: Vec<&'static Fault> = Fault::all().collect();
    let mut state = seed;
    for end in (1..faults.len()).rev() {
        let place = next(&mut state) % (end as u64 + 1);
        faults.swap(end, usize::try_from(place).unwrap_or(0));
    }
    let mut chosen: Vec<(Kind, &'static Fault)> = Vec::new();
    let mut families: BTreeSet<Family> = BTreeSet::new();
    for kind in Kind::ALL {
        let mut own = Vec::new();
        let mut fits: Vec<&'static Fault> =
            faults.iter().copied().filter(|f| kind.fits(f)).collect();
        // Those of families that nobody has yet come first; both parts stay as they were shuffled.
        let mut seen = families.clone();
        fits.sort_by_cached_key(|f| !seen.insert(f.family));
        own.extend(fits.into_iter().take(kind.share()));
        families.extend(own.iter().map(|f| f.family));
        faults.retain(|f| !own.iter().any(|o| o.name == f.name));
        chosen.extend(own.into_iter().map(|fault| (kind, fault)));
    }
    chosen
}

/// SplitMix64: small, and the same everywhere.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Whatever the seed: at least twelve, each once, at least one of each family, each on a lab that it fits; and there is
/// a lab for every fault.
pub fn every_choice_is_wide() {
    for (kind, fault) in all() {
        assert!(kind.fits(fault), "there is no lab for {}", fault.name);
    }
    for seed in 0..2_000 {
        let chosen = by_seed(seed);
        let names: BTreeSet<&str> = chosen.iter().map(|(_, f)| f.name).collect();
        let families: BTreeSet<Family> = chosen.iter().map(|(_, f)| f.family).collect();
        assert!(names.len() >= 12, "{seed}: {names:?}");
        assert_eq!(names.len(), chosen.len(), "{seed}: {names:?}");
        assert_eq!(families.len(), Family::ALL.len(), "{seed}: {names:?}");
        assert!(chosen.iter().all(|(k, f)| k.fits(f)), "{seed}: {names:?}");
    }
}
