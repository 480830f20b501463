"""Numbers of system calls, and which are left to whom whatever their arguments."""

from __future__ import annotations

from collections.abc import Mapping

# name:x86_64:aarch64, from arch/x86/entry/syscalls/syscall_64.tbl and
# asm-generic/unistd.h. Often used ones first: that is the filter's order.
_OPEN_FILES = """
read:0:63 write:1:64 futex:202:98 mmap:9:222 munmap:11:215 mprotect:10:226
madvise:28:233 lseek:8:62 close:3:57 fstat:5:80 pread64:17:67 pwrite64:18:68
readv:19:65 writev:20:66 brk:12:214 mremap:25:216 clock_gettime:228:113
sched_yield:24:124 gettid:186:178 getpid:39:172 preadv:295:69 pwritev:296:70
preadv2:327:286 pwritev2:328:287 close_range:436:436 dup:32:23 dup2:33:- dup3:292:24
ftruncate:77:46 fsync:74:82 fdatasync:75:83 sync_file_range:277:84 fadvise64:221:223
readahead:187:213 fallocate:285:47 flock:73:32 sendfile:40:71
copy_file_range:326:285 poll:7:- ppoll:271:73 select:23:- pselect6:270:72
epoll_create:213:- epoll_create1:291:20 epoll_ctl:233:21 epoll_wait:232:-
epoll_pwait:281:22 epoll_pwait2:441:441 eventfd:284:- eventfd2:290:19 pipe:22:-
pipe2:293:59
"""
# By name; which ones, Landlock says. None that changes what is no content: owners,
# modes, times, attributes, links, devices.
_NAMED_FILES = """
open:2:- creat:85:- openat:257:56 stat:4:- lstat:6:- newfstatat:262:79 statx:332:291
access:21:- faccessat:269:48 faccessat2:439:439 readlink:89:- readlinkat:267:78
getcwd:79:17 getdents:78:- getdents64:217:61 statfs:137:43 fstatfs:138:44 mkdir:83:-
mkdirat:258:34 rmdir:84:- unlink:87:- unlinkat:263:35 rename:82:- renameat:264:38
renameat2:316:276
"""
_ITSELF = """
futex_waitv:449:449 futex_wake:454:454 futex_wait:455:455 futex_requeue:456:456
msync:26:227 mincore:27:232 membarrier:324:283 set_tid_address:218:96
set_robust_list:273:99 rseq:334:293 exit:60:93 exit_group:231:94
restart_syscall:219:128 sched_getaffinity:204:123 sched_getparam:143:121
sched_getscheduler:145:120 sched_get_priority_max:146:125
sched_get_priority_min:147:126 getcpu:309:168 rt_sigaction:13:134
rt_sigprocmask:14:135 rt_sigreturn:15:139 rt_sigpending:127:136
rt_sigsuspend:130:133 rt_sigtimedwait:128:137 sigaltstack:131:132 arch_prctl:158:-
"""
_QUESTIONS = """
clock_getres:229:114 clock_nanosleep:230:115 nanosleep:35:101 gettimeofday:96:169
time:201:- times:100:153 getrusage:98:165 getrlimit:97:163 getppid:110:173
getpgrp:111:- getpgid:121:155 getsid:124:156 getuid:102:174 geteuid:107:175
getgid:104:176 getegid:108:177 getresuid:118:148 getresgid:120:150 getgroups:115:158
getpriority:140:141 uname:63:160 sysinfo:99:179 getrandom:318:278
"""
_CHECKED = """
clone:56:220 fcntl:72:25 ioctl:16:29 prctl:157:167 prlimit64:302:261 kill:62:129
tgkill:234:131 sched_setaffinity:203:122 setpriority:141:140
"""
_STARTING = """
fork:57:- vfork:58:- wait4:61:260 waitid:247:95 setpgid:109:154 umask:95:166
chdir:80:49 fchdir:81:50
execve:59:221
"""
_NETWORK = """
connect:42:203 recvfrom:45:207 recvmsg:47:212 recvmmsg:299:243 getsockopt:55:209
getsockname:51:204 getpeername:52:205 shutdown:48:210
"""
_NETWORK_CHECKED = """
socket:41:198 sendto:44:206 sendmsg:46:211 sendmmsg:307:269 setsockopt:54:208
"""
_CONNECTIONS = """
accept:43:202 accept4:288:242
"""
_CONNECTIONS_CHECKED = """
socketpair:53:199
"""
_DRIVERS = """
mlock:149:228 munlock:150:229 mlock2:325:284 get_mempolicy:239:236
set_mempolicy:238:237 mbind:237:235
"""


def _names(text: str) -> tuple[str, ...]:
    return tuple(entry.split(":", 1)[0] for entry in text.split())


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)


def _numbers(*texts: str) -> dict[str, tuple[int | None, int | None]]:
    entries = (entry.split(":") for text in texts for entry in text.split())
    return {name: (_number(first), _number(second)) for name, first, second in entries}


_ALLOWED = (_OPEN_FILES, _NAMED_FILES, _ITSELF, _QUESTIONS)
ALLOWED = tuple(name for text in _ALLOWED for name in _names(text))
"""To everybody."""
STARTING = _names(_STARTING)
"""To whatever starts programs of its own."""
ASKED_OF_NETWORKS = _names(_NETWORK)
CONNECTIONS = _names(_CONNECTIONS)
"""To whoever gives others connections to itself."""
DRIVERS = ("ioctl", *_names(_DRIVERS))
NUMBERS: Mapping[str, tuple[int | None, int | None]] = _numbers(
    *(*_ALLOWED, _CHECKED, _STARTING, _NETWORK, _NETWORK_CHECKED),
    *(_CONNECTIONS, _CONNECTIONS_CHECKED, _DRIVERS),
)
"""Of x86_64 and of aarch64; None where there is no such call."""
