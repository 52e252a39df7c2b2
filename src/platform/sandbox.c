#include "platform/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "version.h"

#define COUNT(array)       (sizeof(array) / sizeof(array)[0])
#define INSTRUCTIONS_A_ROW 5
#define INSTRUCTIONS_MORE  8

/* Arguments are looked at by their low 32 bits: those that are looked at are ints to the kernel. */
enum test { ANY, EQUAL, NO_BITS, REFUSED };

struct row {
	uint32_t call;
	enum test test;
	unsigned argument;
	uint32_t value; /* of the argument; or what a refused call fails with */
};

static const struct row rows[] = {
	/* the loop, and what wakes it; a line in the log */
	{.call = SYS_epoll_pwait},
	{.call = SYS_epoll_ctl},
	{.call = SYS_timerfd_settime},
	{.call = SYS_read},
	{.call = SYS_write},
	/* connections */
	{.call = SYS_accept4},
	{.call = SYS_recvfrom},
	{.call = SYS_recvmsg},
	{.call = SYS_sendto},
	{.call = SYS_sendmsg},
	{.call = SYS_setsockopt},
	{.call = SYS_getsockopt},
	{.call = SYS_shutdown},
	{.call = SYS_close},
	/* the kernel's neighbours, asked for a caller's hardware address */
	{.call = SYS_socket, .test = EQUAL, .argument = 0, .value = AF_NETLINK},
	{.call = SYS_bind},
	{.call = SYS_connect},
	/* locks, clocks where there is no vDSO, randomness */
	{.call = SYS_futex},
	{.call = SYS_sched_yield},
	{.call = SYS_clock_gettime},
	{.call = SYS_clock_nanosleep},
	{.call = SYS_getrandom},
	/* memory, which malloc(3) takes, protects and gives back */
	{.call = SYS_brk},
	{.call = SYS_mmap, .test = NO_BITS, .argument = 2, .value = PROT_EXEC},
	{.call = SYS_mprotect, .test = NO_BITS, .argument = 2, .value = PROT_EXEC},
	{.call = SYS_mremap},
	{.call = SYS_munmap},
	{.call = SYS_madvise},
	{.call = SYS_sched_getaffinity}, /* how many arenas are worth it */
	/* and before it shrinks a heap it looks at /proc/sys/vm/overcommit_memory, or does without */
	{.call = SYS_openat, .test = REFUSED, .value = EACCES},
	/* signals, and the ends: of the thread, of a failed assertion, of the process */
	{.call = SYS_rt_sigreturn},
	{.call = SYS_rt_sigprocmask},
	{.call = SYS_restart_syscall},
	{.call = SYS_getpid},
	{.call = SYS_gettid},
	{.call = SYS_tgkill, .test = EQUAL, .argument = 0}, /* value: this process */
	{.call = SYS_exit},
	{.call = SYS_exit_group},
};

struct program {
	struct sock_filter code[COUNT(rows) * INSTRUCTIONS_A_ROW + INSTRUCTIONS_MORE];
	unsigned short n;
};

/* A statement, or a jump over jt or jf instructions. */
static void add(struct program *program, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	program->code[program->n++] =
		(struct sock_filter){.code = code, .jt = jt, .jf = jf, .k = k};
}

static void add_load(struct program *program, size_t offset)
{
	add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void add_return(struct program *program, uint32_t action)
{
	add(program, BPF_RET | BPF_K, action, 0, 0);
}

/* The number of the call is loaded. Whoever leaves a row's instructions has it loaded still. */
static void add_row(struct program *program, const struct row *row, uint32_t value)
{
	size_t args = offsetof(struct seccomp_data, args);
	if (row->test == ANY || row->test == REFUSED) {
		add(program, BPF_JMP | BPF_JEQ | BPF_K, row->call, 0, 1);
		add_return(
			program, row->test == ANY ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | value);
		return;
	}
	add(program, BPF_JMP | BPF_JEQ | BPF_K, row->call, 0, 4);
	add_load(program, args + row->argument * sizeof(uint64_t));
	if (row->test == EQUAL) {
		add(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
	} else {
		add(program, BPF_JMP | BPF_JSET | BPF_K, value, 1, 0);
	}
	add_return(program, SECCOMP_RET_ALLOW);
	add_return(program, SECCOMP_RET_TRAP);
}

static void make(struct program *program)
{
	program->n = 0;
	/* The numbers mean these calls in this processor's own convention alone. */
	add_load(program, offsetof(struct seccomp_data, arch));
	add(program, BPF_JMP | BPF_JEQ | BPF_K, TELLTALE_AUDIT_ARCH, 1, 0);
	add_return(program, SECCOMP_RET_KILL_PROCESS);
	add_load(program, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < COUNT(rows); i++) {
		bool own = rows[i].call == SYS_tgkill;
		add_row(program, &rows[i], own ? (uint32_t)getpid() : rows[i].value);
	}
	add_return(program, SECCOMP_RET_TRAP);
}

/*
 * In the thread that tried. It goes no further, whatever it was about; that a line could not be written
 * for lack of a call would be the end as well.
 */
static void on_violation(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	LOG(LOG_ERROR, "sandbox", "a worker made a call that is not its business, ending",
		LOG_INT("call", info->si_syscall));
	_exit(SANDBOX_EXIT);
}

int sandbox_enter(void)
{
	struct program program;
	struct sigaction action = {.sa_sigaction = on_violation, .sa_flags = SA_SIGINFO};
	make(&program);
	(void)sigfillset(&action.sa_mask); /* can't fail: the address is good */
	if (sigaction(SIGSYS, &action, NULL) < 0) {
		return -errno;
	}
	/*
	 * Older kernels slow a filtered thread down, lest programs that it runs for others read its
	 * memory by speculation. It runs none.
	 */
	const struct sock_fprog filter = {program.n, program.code};
	long rc = syscall(
		SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter);
	return rc < 0 ? -errno : 0;
}
