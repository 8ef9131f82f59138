//! Nodes: Debian hosts with systemd, journald and sshd of their own, on which k3s runs and is broken.
//!
//! A lab of nodes is one process in namespaces of its own (processes, mounts, network): when the kernel ends that
//! process, every node goes with it. Deliberately absent: kernels of their own; nodes share the machine's, so what
//! needs another kernel (VXLAN, a slow disk) needs a virtual machine.

mod builder;
mod cgroups;
pub(crate) mod cli;
mod etc;
mod ground;
mod image;
mod images;
mod keys;
mod lab;
mod machine;
mod open;
mod packages;
mod proxmox;
mod resolver;
mod rootfs;
mod run;
mod service;
mod shape;
mod switch;
mod together;
mod upgrade;
mod virtual_machine;

pub use builder::{Builder, unavailable};
pub use lab::{Lab, MADE};
pub use machine::Machine;
pub use open::{Plan, Role, Seat};
pub use shape::Shape;
pub use upgrade::upgrade;

pub(crate) use cgroups::{LIFT, is_group, lift, remove as remove_groups};
