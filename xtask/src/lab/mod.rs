//! The lab: the real parts of a Kubernetes control plane, started for a test and gone after it, on this machine's
//! loopback ([`control_plane`]) or on hosts of their own ([`node`]).
//! Deliberately absent: k3s itself; what stands in for it is a program of ours, in lab/k3s.

pub mod audit;
pub mod cache;
pub mod cli;
pub mod client;
mod command_lines;
pub mod control_plane;
mod error;
pub mod fault;
mod files;
mod inside;
pub mod kine;
mod kubeconfig;
pub mod leftovers;
pub mod member;
pub mod node;
mod nodes_and_pods;
pub mod parts;
mod path;
mod pki;
pub mod populate;
mod ports;
mod print;
mod process;
mod ready;
mod reaper;
pub mod record;
mod supervise;
pub(crate) mod toolchain;

pub use audit::{AuditEvent, AuditLevel};
pub use client::ApiClient;
pub use control_plane::{ControlPlane, Options};
pub use error::LabError;
pub use populate::Populate;
pub use ready::wait_until;
