//! Facts: what the output of commands and the files of a host say, one small value each.
//!
//! Objects of the API have views; everything else that evidence holds (a row of `df`, a member in
//! `etcdctl member list`, a flag of a server) is a fact with its place. Deliberately absent: judgement,
//! and lines of logs (`signal`).

use jiff::Timestamp;

use crate::id::EntityId;

/// One fact and where it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fact {
    /// The host that it is about, as a prompt or a line names it; empty when nothing does.
    pub host: String,
    /// The file, as an index into `Cluster::entries`.
    pub entry: u32,
    /// Its first line, from 1.
    pub line: u64,
    /// The line or lines that say it, as printed.
    pub text: String,
    /// The command that printed it, if the transcript shows one.
    pub command: String,
    /// What it says.
    pub value: Value,
}

/// What a fact says. Sizes are bytes, shares are percent.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing.
    #[default]
    None,
    /// A command that somebody ran, as its words. How it ended, the facts behind it say, if at all.
    Ran(Vec<String>),
    /// An error that a command printed, its lines joined.
    Error(String),
    /// A file system, as `df` shows it.
    FileSystem(FileSystem),
    /// Inodes of a file system, as `df -i` shows them: mount point and percent used.
    Inodes(String, u64),
    /// How many file systems are mounted.
    Mounts(u64),
    /// How many IOMMU groups the kernel has.
    IommuGroups(u64),
    /// One mounted file system: what, where, type, options.
    Mount {
        /// Device or source.
        source: String,
        /// Mount point.
        target: String,
        /// Type.
        fstype: String,
        /// Options, comma separated.
        options: String,
    },
    /// A kernel setting: name with dots, value.
    Sysctl(String, String),
    /// The running kernel's release.
    Kernel(String),
    /// A kernel module that `modprobe` does not find.
    ModuleMissing(String),
    /// A route.
    Route(Route),
    /// An address of an interface: interface, address, prefix length.
    Address(String, String, u8),
    /// A socket that something listens on.
    Listens {
        /// Address and port, as printed.
        local: String,
        /// Port.
        port: u16,
        /// Program, if shown.
        program: String,
    },
    /// What the host's clock said.
    Clock(Timestamp),
    /// A program and its version.
    Version(String, String),
    /// A member of etcd.
    EtcdMember(EtcdMember),
    /// What one endpoint of etcd says of itself.
    EtcdStatus(EtcdStatus),
    /// Health of an endpoint: endpoint, well, what it said.
    EtcdHealth(String, bool, String),
    /// An alarm: member (hexadecimal), kind.
    EtcdAlarm(String, String),
    /// A unit of systemd: name, active state, sub-state, result.
    Unit {
        /// Name.
        name: String,
        /// `active`, `failed`, `activating`…
        active: String,
        /// `running`, `auto-restart`…
        sub: String,
        /// `exit-code`, `oom-kill`…, if shown.
        result: String,
        /// How often systemd started it again by itself since somebody did; 0 where that is not shown.
        restarts: u64,
    },
    /// A file in a listing: path or name, size, owner and mode as printed, date as printed.
    File {
        /// Name, with the folder where the listing names one.
        path: String,
        /// Bytes; 0 where the listing shows names only.
        size: u64,
        /// Mode, such as `-rw-r--r--`; empty where the listing shows names only.
        mode: String,
        /// Date, as printed.
        date: String,
    },
    /// A setting of a program: where it was given (`flag`, `config.yaml`, `env`…), its name without
    /// dashes, its value.
    Setting {
        /// Where.
        place: String,
        /// Name.
        name: String,
        /// Value.
        value: String,
    },
    /// A check of a list of checks (`k3s check-config`): what, passed, what it said.
    Check(String, bool, String),
    /// A certificate: subject, issuer, not before, not after, names, fingerprint.
    Certificate(Box<Certificate>),
    /// A number that a database tells of itself: name, value.
    Database(String, u64),
    /// A program that holds a block device open.
    Holds {
        /// The program.
        program: String,
        /// Major and minor number, `8,32`.
        numbers: String,
        /// The path by which it was opened.
        path: String,
    },
    /// A block device in a listing.
    BlockDevice {
        /// Its path.
        path: String,
        /// Major and minor number, `8,32`.
        numbers: String,
    },
    /// A multipath map and the disk that it lies over.
    Multipath {
        /// The map.
        name: String,
        /// The disk.
        over: String,
    },
    /// Memory in bytes: total, available.
    Memory(u64, u64),
    /// What came of an attempt to reach something.
    Reach(Reach),
    /// A pod asked the cluster's DNS for a name, and whether anybody answered.
    Resolve(EntityId, bool),
    /// A lookup that was answered: the name that was asked for, the name that the answer is about, its address.
    Answered {
        /// Asked for.
        asked: String,
        /// Answered about, without the dot at its end.
        name: String,
        /// The address; empty where it is not shown.
        address: String,
    },
    /// A lookup whose answer's address has a name of its own.
    PointsBack {
        /// Asked for.
        asked: String,
        /// The address of the answer.
        address: String,
        /// The name that the resolver has for that address.
        name: String,
    },
    /// A file that somebody looked for and that is not there.
    NoFile(String),
    /// A folder that was listed: its path, and how many entries it has.
    Folder(String, u64),
    /// A configuration file that was printed and can't be read: its path, and why.
    Malformed(String, String),
    /// A packet of this payload (bytes) to this target came through, or did not.
    Sized(String, u64, bool),
    /// A claim that no pod uses, as its description says: namespace and name.
    Unused(String, String),
    /// A datastore that was read from its file.
    Datastore(Datastore),
    /// What does not hold in the file of a datastore.
    DatastoreDamage(String),
    /// A bootstrap record of k3s in a datastore: the hash of the token that it wants, and whether the one beside
    /// the datastore is that.
    Bootstrap(String, Option<bool>),
    /// A file that is not as the bootstrap record has it.
    BootstrapDiffers(String),
    /// A member that the datastore knows as removed: its id, hexadecimal.
    EtcdRemoved(String),
}

/// A datastore, as its file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Datastore {
    /// Its file, as the evidence names it.
    pub file: String,
    /// Its file, where it was read.
    pub path: String,
    /// `etcd` or `kine`.
    pub engine: String,
    /// It was taken from a running member, to be kept.
    pub snapshot: bool,
    /// `verified`, `readable`, `damaged` or `unknown`.
    pub trust: String,
    /// Its latest revision.
    pub revision: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The member whose file it is, hexadecimal; empty where nothing says it.
    pub member: String,
}

/// An attempt to reach an address, by a program made for it (`nc`, `ping`, `curl`, `kubectl --server`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reach {
    /// The host or address that was asked.
    pub target: String,
    /// The port, where one was asked.
    pub port: Option<u16>,
    /// What came back.
    pub answer: Answer,
}

/// What came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// What was hoped for.
    #[default]
    Well,
    /// Somebody is there, and says that it is not ready, or refuses.
    Sick,
    /// Nothing: time ran out, or no way was found.
    Silent,
}

/// A row of `df`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileSystem {
    /// Device or source.
    pub source: String,
    /// Mount point.
    pub target: String,
    /// Size in bytes.
    pub size: u64,
    /// Free for ordinary users, in bytes.
    pub available: u64,
    /// Percent used, as printed.
    pub used: u64,
}

/// A route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    /// `default`, or a network.
    pub to: String,
    /// Gateway.
    pub via: String,
    /// Interface; empty where the line names none.
    pub dev: String,
    /// It is one of several next hops.
    pub multipath: bool,
}

/// A member of etcd, as the list of members shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EtcdMember {
    /// Id, hexadecimal.
    pub id: String,
    /// Name; empty when it never started.
    pub name: String,
    /// `started` or `unstarted`; empty where the form does not say.
    pub status: String,
    /// Peer URLs.
    pub peers: Vec<String>,
    /// Client URLs; none when it never started.
    pub clients: Vec<String>,
    /// It has no vote.
    pub learner: bool,
}

/// A row of `etcdctl endpoint status`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EtcdStatus {
    /// Endpoint.
    pub endpoint: String,
    /// Member id, hexadecimal.
    pub id: String,
    /// Cluster id, hexadecimal, where the form shows it.
    pub cluster: String,
    /// Version.
    pub version: String,
    /// Size of the database in bytes.
    pub size: u64,
    /// It leads.
    pub leader: bool,
    /// It has no vote.
    pub learner: bool,
    /// Term.
    pub term: u64,
    /// Raft index.
    pub index: u64,
    /// Errors and alarms.
    pub errors: String,
}

/// A certificate, as openssl or k3s prints it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Certificate {
    /// File or place it was read from.
    pub path: String,
    /// The endpoint that showed it, as host and port; empty for a file.
    pub peer: String,
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Not valid before.
    pub from: Option<Timestamp>,
    /// Not valid after.
    pub until: Option<Timestamp>,
    /// Names and addresses.
    pub names: Vec<String>,
    /// Fingerprint, as printed.
    pub fingerprint: String,
}
