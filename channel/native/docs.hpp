// Docstrings of the operations, for help() and the generated stubs.
#pragma once

namespace ipc::python::docs {

inline constexpr const char* write =
    R"(Write a message and return its entry id; waits while the channel is full.

timeout: seconds; None waits as long as the retry policy allows.

Raises:
    MessageTooLarge: it can never fit.
    ChannelTimeout: it did not fit in time.
    ChannelFull, ChannelRetryLimit: no time-out, and max_round_trips rounds did not suffice.
    ChannelClosed: after shutdown().)";

inline constexpr const char* try_write =
    R"(Like write(), but never sleeps: raises ChannelFull where there is no room now.)";

inline constexpr const char* write_many =
    R"(Write all messages, in order; return their entry ids, as array("Q"). Other writers'
messages may come between them.

Raises:
    MessageTooLarge: one of them can never fit; none is written.
    others: as write(); the error's attribute `written` has the ids of those that were written.)";

inline constexpr const char* read =
    R"(Remove and return the oldest message; waits while there is none.

timeout: seconds; None waits as long as the retry policy allows, 0 takes what is there.

Raises:
    ChannelTimeout: none came in time.
    ChannelRetryLimit: no time-out, and max_round_trips rounds did not suffice.
    ChannelClosed: after shutdown(), once every message was read.)";

inline constexpr const char* try_read = R"(Remove and return the oldest message; None if there is none.)";

inline constexpr const char* read_into =
    R"(Like read(), into a writable buffer; returns (entry id, bytes of the message).

Raises:
    BufferTooSmall: the message does not fit; it is still in the channel.)";

inline constexpr const char* read_many =
    R"(Remove and return up to `limit` messages, at least one; waits, and raises, as read().)";

inline constexpr const char* try_read_many = R"(Remove and return up to `limit` messages; [] if there is none.)";

inline constexpr const char* peek = R"(The oldest message, left where it is; None if there is none.)";

inline constexpr const char* skip = R"((was this entry the head and is it removed now?, id of the head or None).)";

inline constexpr const char* skip_force =
    R"(Remove the oldest message unread and return its id; None if there is none.

Takes no lock, so it works beside dead and stopped peers.)";

inline constexpr const char* shutdown = R"(End the stream; waits for a writer that is inside.)";

}  // namespace ipc::python::docs
