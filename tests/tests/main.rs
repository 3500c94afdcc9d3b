//! All end-to-end tests, one topic a file.

mod answers;
mod bodies;
mod budgets;
mod configuration;
mod crowds;
mod dialects;
mod dynamic;
mod failover;
mod harness;
mod identity;
mod main_path;
mod mesh;
mod modes;
mod odd;
mod overload;
mod pushes;
mod routing;
mod running;
mod sdks;
mod shutdown;
mod small_model;
mod storms;
mod streaming;
mod subjects;
mod uploads;
mod usage;
