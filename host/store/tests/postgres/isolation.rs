//! Tenants are kept apart: two of them have rows in every table and in every partition, and somebody who can say anything that
//! SQL can say, as a host's user, looks for the rows of the first while acting for the second, for a third, or for nobody.
//!
//! What such a person could do is name the other tenant: hosts serve all of them. So the last wall is that no text of a client
//! ever becomes a statement ([`texts`]); the walls before it are that whatever a host does say reaches one tenant's rows alone.

mod clearances;
mod crowd;
mod functions;
mod names;
mod reads;
mod side_doors;
mod texts;
mod world;
mod writes;
