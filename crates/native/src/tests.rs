//! The door, opened over loopback on a gateway that a test controls.

mod commands;
mod description;
mod documents;
mod door;
mod events;
mod fake;
mod feed;
mod files;
mod garbage;
mod integrations;
mod sessions;
mod sign_in;
mod socket;
mod terminals;
