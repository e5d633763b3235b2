#![doc = include_str!("../README.md")]

mod watchdog;
mod world;

pub use world::{World, WorldError, WorldOptions};
