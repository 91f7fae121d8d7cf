// The machine: workers on fibers whose every shared access stops at the driver.
//
// A worker's execution is a function of the values that its reads return, and those stand in the graph. So a worker is
// brought to any point of any graph by running it from its start and answering its accesses from its row of events;
// the driver is asked only for the access after the last one. A worker whose row has not changed since it was last
// looked at (the serial number of its last event tells) stays where it is.
//
// The fast path, answering from the graph, is inline and has no switch; the driver's step for a new access runs on the
// fiber that makes it.
#pragma once

#include <cassert>
#include <exception>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

#include "consistency.hpp"
#include "fiber.hpp"
#include "operation.hpp"
#include "program.hpp"

namespace explorer {

// Why an execution is no good.
enum class Fault : std::uint8_t {
    race,       // two unordered accesses of a location, one a write and one plain
    check,      // check() was false
    exception,  // a worker threw
    unbounded,  // a loop makes accesses without end, and never says that a round of it has failed
    stuck,      // workers wait for what nobody will do: deadlock, livelock or a lost wake-up
    history,    // the answers of the calls contradict what the structure is specified to do
    internal,   // a worker did something else for the same reads: nondeterminism outside the machine
};

// Of a stuck worker, the graver the later (blocked.hpp).
enum class Blocked : std::uint8_t { no, deadlock, livelock, lost_wakeup };

struct Failure {
    Fault fault;
    std::string what;
    std::source_location where;
    int worker = -1;
    Blocked blocked = Blocked::no;
};

// The last rounds of a retry loop: the events with which they began, or -1 if there was none.
struct Rounds {
    int before = -1;
    int previous = -1;
    int begin = 0;
    int end = 0;   // the events of the last one end before this
    int made = 0;  // rounds of the loop after which the worker went on without waiting
};

class Driver {
public:
    virtual ~Driver() = default;
    // `worker` wants to make `operation`. Add its event and return true, or return false to stop the worker here: it
    // will ask again when it is resumed.
    virtual bool step(int worker, const Operation& operation) = 0;
    virtual void failed(Failure failure) = 0;
    // The worker has finished a failed round of a retry loop. It waits for what it has read since the returned event to
    // change; or it goes on.
    static constexpr int go_on = -1;
    virtual int retry(int worker, const Rounds& rounds) = 0;
    // The worker has gone round a retry loop as often as it may.
    virtual void at_bound(int /*worker*/, const Rounds& /*rounds*/) {}
};

enum class State : std::uint8_t {
    fresh,      // not started
    suspended,  // before an access
    waiting,    // in pause()
    bounded,    // has gone round a retry loop, or made accesses, as often as it may, and goes no further
    finished,
};

class Machine {
public:
    // `most_rounds`: of one retry loop that are no waits. A worker that has made them stays where it is: what it does is
    // still a function of what its reads return, so that the program so cut is explored like any other.
    Machine(Program& program, Driver& driver, int most_rounds)
        : program_(&program), driver_(&driver), most_rounds_(most_rounds) {
        if (program.workers.empty() || program.workers.size() > static_cast<std::size_t>(max_workers)) {
            throw std::invalid_argument("a program has 1 to " + std::to_string(max_workers) + " workers, not " +
                                        std::to_string(program.workers.size()));
        }
        for (std::size_t worker = 0; worker < program.workers.size(); ++worker) threads_.emplace_back();
    }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    static constexpr int max_accesses = 4'000;  // of one worker

    // The machine that runs on this process's fibers; one at a time.
    static Machine* running() { return running_; }

    // The machine whose complete execution is being looked at from outside the workers; else null.
    static Machine* complete() { return complete_; }
    class Completed {
    public:
        explicit Completed(Machine& machine) : outer_(std::exchange(complete_, &machine)) {}
        Completed(const Completed&) = delete;
        Completed& operator=(const Completed&) = delete;
        ~Completed() { complete_ = outer_; }

    private:
        Machine* outer_;
    };
    // What the execution has left at a location.
    Word final_value(Location location) const {
        const EventId newest = location < graph_->locations() ? graph_->store_at(location, graph_->newest(location))
                                                              : initial_store;
        return newest.is_initial() ? program_->initial(location) : (*graph_)[newest].value;
    }

    int workers() const { return static_cast<int>(threads_.size()); }
    Program& program() { return *program_; }
    Graph& graph() { return *graph_; }
    void use(Graph& graph) { graph_ = &graph; }

    // Bring a worker to the end of its row of events; from there on the driver decides.
    State state(int worker) {
        Thread& thread = threads_[static_cast<unsigned>(worker)];
        return in_step(thread, worker) ? thread.state : State::fresh;
    }
    State resume(int worker) {
        Thread& thread = threads_[static_cast<unsigned>(worker)];
        if (!in_step(thread, worker) || thread.state == State::fresh) restart(thread);
        Machine* const outer = std::exchange(running_, this);
        current_ = worker;
        thread.fiber.resume();
        current_ = -1;
        running_ = outer;
        return thread.state;
    }
    // Start over, even if the row is the same: nothing that an earlier execution left in the worker's locals stays.
    void forget() {
        for (Thread& thread : threads_) thread.state = State::fresh;
    }

    const Operation& pending(int worker) const { return *threads_[static_cast<unsigned>(worker)].pending; }
    std::source_location waiting_at(int worker) const { return threads_[static_cast<unsigned>(worker)].where; }
    // Rounds of the retry loop that a worker is in, after which it went on without waiting.
    int rounds(int worker) const { return threads_[static_cast<unsigned>(worker)].rounds.made; }
    // Is it at a bound, as far as it has been run?
    bool is_bounded(int worker) const { return threads_[static_cast<unsigned>(worker)].state == State::bounded; }
    // Of a waiting worker: it waits for what it has read since this event to change. Of one at a bound: where its last
    // round began; -1 if it would end some time whatever it read.
    int waits_since(int worker) const { return threads_[static_cast<unsigned>(worker)].waits_since; }
    // Of a sleeping worker: where the look began that it fell asleep after; else -1.
    int look_begin(int worker) const { return threads_[static_cast<unsigned>(worker)].look_begin; }
    // ... and its first event since; else -1.
    int asleep_since(int worker) const {
        const Thread& thread = threads_[static_cast<unsigned>(worker)];
        return thread.look_begin < 0 ? -1 : thread.asleep_since;
    }

    // --- called on a fiber -------------------------------------------------------------------------------------------

    bool on_fiber() const { return current_ >= 0; }
    int current() const { return current_; }

    Word load(Location location, Order order, std::source_location where, bool message = false) {
        Operation operation{
            .kind = Kind::read, .order = order, .message = message, .location = location, .where = where};
        return access(operation).value;
    }
    void store(Location location, Word value, Order order, std::source_location where, bool message = false) {
        Operation operation{.kind = Kind::write,
                            .order = order,
                            .message = message,
                            .location = location,
                            .value = value,
                            .where = where};
        access(operation);
    }
    // A read-modify-write that always writes: `next` computes the new value from the one read.
    template <class Next>
    Word modify(Location location, Order order, Next next, std::source_location where) {
        Operation read{
            .kind = Kind::read, .order = order, .update = Update::always, .location = location, .where = where};
        const Word found = access(read).value;
        Operation write{.kind = Kind::write,
                        .order = order,
                        .exclusive = true,
                        .location = location,
                        .value = next(found),
                        .where = where};
        access(write);
        return found;
    }
    bool compare_exchange(Location location, Word& expected, Word desired, Order success, Order failure, bool weak,
                          std::source_location where) {
        Operation read{.kind = Kind::read,
                       .order = success,
                       .failure = failure,
                       .update = Update::if_equal,
                       .weak = weak,
                       .location = location,
                       .expected = expected,
                       .where = where};
        const Event& event = access(read);
        if (!event.updates()) {
            expected = event.value;
            return false;
        }
        Operation write{.kind = Kind::write,
                        .order = success,
                        .exclusive = true,
                        .location = location,
                        .value = desired,
                        .where = where};
        access(write);
        return true;
    }
    void fence(Order order, std::source_location where) {
        Operation operation{.kind = Kind::fence, .order = order, .where = where};
        access(operation);
    }
    // One of 0 .. count - 1, chosen by the environment; 0 is the ordinary course of things.
    Word choose(Word count, std::source_location where) {
        Operation operation{.kind = Kind::choice, .value = count, .where = where};
        return access(operation).value;
    }
    // A retry loop begins here (so does one at the start of the worker).
    void begin_round() {
        Thread& thread = mine();
        thread.rounds = {.begin = thread.consumed};
        thread.look_begin = -1;
    }
    // What the worker has read since the round began does not satisfy it: it sleeps until it is woken, in a loop that
    // looks at nothing but the wake-ups. It has woken when it begins another round.
    void fall_asleep() {
        Thread& thread = mine();
        thread.look_begin = thread.rounds.begin;
        thread.asleep_since = thread.consumed;
        thread.rounds = {.begin = thread.consumed, .made = thread.rounds.made};
    }
    // Has the current round accessed anything?
    bool in_round() { return mine().consumed > mine().rounds.begin; }
    // The end of a failed round of a retry loop. Pauses in a row are one.
    void pause(std::source_location where) {
        Thread& thread = mine();
        if (thread.consumed == thread.rounds.begin) {
            if (++thread.idle_pauses > max_idle_pauses)
                fail(Fault::unbounded, "a loop pauses and never looks at shared memory", where);
            return;
        }
        thread.idle_pauses = 0;
        thread.where = where;
        thread.rounds.end = thread.consumed;
        const int since = driver_->retry(current_, thread.rounds);
        if (since >= 0) {
            thread.waits_since = since;
            thread.state = State::waiting;
            thread.fiber.suspend();  // a driver that resumes a waiting worker lets it go on
            thread.state = State::suspended;
        } else {
            count_round(where, thread.rounds.begin);
        }
        thread.rounds = {thread.rounds.previous, thread.rounds.begin, thread.consumed, thread.consumed,
                         thread.rounds.made};
    }
    // The end of a failed round after which the worker goes on whatever it has read: it counts its rounds itself, or
    // time has passed.
    void go_round(std::source_location where) {
        Thread& thread = mine();
        if (in_round()) count_round(where, -1);
        thread.rounds = {.begin = thread.consumed, .made = thread.rounds.made};
        thread.look_begin = -1;
    }
    void fail(Fault fault, std::string what, std::source_location where) {
        fail({fault, std::move(what), where, current_});
    }
    void fail(Failure failure) {
        driver_->failed(std::move(failure));
        leave_execution();
    }
    // Stop for ever: nothing of this worker will be in the execution beyond here.
    void stop() {
        Thread& thread = mine();
        thread.state = State::finished;
        for (;;) thread.fiber.suspend();
    }
    // How many of its events a worker has been given.
    int given(int worker) const { return threads_[static_cast<unsigned>(worker)].consumed; }
    // How many of its accesses the current worker has made.
    int consumed() const { return consumed(current_); }
    int consumed(int worker) const { return threads_[static_cast<unsigned>(worker)].consumed; }

private:
    static constexpr int max_idle_pauses = 1'000'000;
    static constexpr int longest_round = 1'000;  // of one worker at its last access; a longer one spins

    struct Thread {
        Fiber fiber;
        State state = State::fresh;
        int consumed = 0;          // events of its row that it has been given
        std::uint32_t serial = 0;  // of the last of them
        Rounds rounds;
        int waits_since = 0;
        int look_begin = -1;
        int asleep_since = -1;
        int idle_pauses = 0;
        const Operation* pending = nullptr;
        std::source_location where;
    };

    Thread& mine() { return threads_[static_cast<unsigned>(current_)]; }

    void count_round(std::source_location where, int since) {
        Thread& thread = mine();
        if (++thread.rounds.made < most_rounds_) return;
        thread.where = where;
        if (since >= 0) driver_->at_bound(current_, thread.rounds);
        stay(where, since);
    }
    // At a bound: the worker goes no further in this execution, and the others do.
    void stay(std::source_location where, int since) {
        Thread& thread = mine();
        thread.where = where;
        thread.waits_since = since;
        thread.state = State::bounded;
        for (;;) thread.fiber.suspend();
    }

    // Is what the worker has been given still what its row begins with?
    bool in_step(const Thread& thread, int worker) const {
        if (thread.state == State::fresh) return false;
        if (thread.consumed == 0) return true;
        if (thread.consumed > graph_->size(worker)) return false;
        return (*graph_)[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(thread.consumed - 1)}].serial ==
               thread.serial;
    }
    void restart(Thread& thread) {
        thread.consumed = 0;
        thread.serial = 0;
        thread.rounds = {};
        thread.look_begin = -1;
        thread.idle_pauses = 0;
        thread.state = State::suspended;
        thread.fiber.reset(&Machine::enter);
    }
    static void enter() {
        Machine& machine = *running_;
        const int worker = machine.current_;
        std::string thrown;  // reported outside the handler: a fiber must not be left inside one
        try {
            machine.program_->workers[static_cast<unsigned>(worker)]();
        } catch (const std::exception& error) {
            thrown = std::string("threw: ") + error.what();
        } catch (...) {
            thrown = "threw something that is no std::exception";
        }
        if (!thrown.empty()) machine.fail(Fault::exception, std::exchange(thrown, {}), std::source_location::current());
        machine.stop();
    }

    // The execution is over for all. The worker does not stay as it is for another one: it shall fail again there.
    void leave_execution() {
        Thread& thread = mine();
        thread.state = State::fresh;
        for (;;) thread.fiber.suspend();
    }

    std::string spinning(int worker, std::source_location where) const {
        return program_->describe_worker(worker) + " made more than " + std::to_string(max_accesses) +
               " accesses in one execution: the loop at " + place_of(where) +
               " spins without pause() at the end of a failed round";
    }
    const Event& access(const Operation& operation) {
        Thread& thread = mine();
        const int worker = current_;
        while (thread.consumed == graph_->size(worker)) {
            thread.state = State::suspended;
            thread.pending = &operation;
            if (thread.consumed >= max_accesses && !operation.exclusive) {  // a read-modify-write is completed
                if (thread.consumed - thread.rounds.begin > longest_round)
                    fail(Fault::unbounded, spinning(worker, operation.where), operation.where);
                stay(operation.where, -1);
            }
            if (!driver_->step(worker, operation)) thread.fiber.suspend();
        }
        const Event& event = (*graph_)[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(thread.consumed)}];
        if (event.kind != operation.kind || event.location != operation.location || event.success != operation.order ||
            (event.is_write() && event.value != operation.value)) {
            fail(Fault::internal, "the worker made another access than before although its reads returned the same",
                 operation.where);
        }
        ++thread.consumed;
        thread.serial = event.serial;
        return event;
    }

    Program* program_;
    Driver* driver_;
    int most_rounds_;
    Graph* graph_ = nullptr;
    std::vector<Thread> threads_;
    int current_ = -1;

    static inline Machine* running_ = nullptr;
    static inline Machine* complete_ = nullptr;
};

}  // namespace explorer
