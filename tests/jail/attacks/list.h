/*
 * list.h - every attack by name, with what must come of it: once when it is made by running calls (init, generate_signals),
 * once while the file is being loaded (constructor, IFUNC resolver), where the filter of stage 1 is in force alone.
 * Shared by the hostile strategy (attack.c) and the test that drives it (tests/jail/attacks.c).
 *
 *   SYSCALL   killed by SIGSYS                     CRASH     killed by SIGSEGV, SIGBUS, SIGILL, SIGFPE
 *   DEADLINE  killed by the host when time was up  EXIT      it ended itself
 *   DOORBELL  killed by the host for its ringing   HARMLESS  it went on, and proved that it had gained nothing
 *   REFUSED   the host's look at it after READY    DEAD      SYSCALL or CRASH, depending on the kernel's configuration
 */
#ifndef ATTACKS_LIST_H
#define ATTACKS_LIST_H

/* Attacks that are one system call: name, number, six arguments, deciding, loading. CANARY, HOST: filled in by the test. */
#define ATTACK_CALLS(X)                                                                    \
    /* files by path */                                                                    \
    X(open_secret, 257, AT_CWD, PATH("/etc/passwd"), 0, 0, 0, 0, SYSCALL, HARMLESS)        \
    X(open_create, 257, AT_CWD, CANARY_NEW, 0101, 0644, 0, 0, SYSCALL, HARMLESS)           \
    X(open_legacy, 2, PATH("/etc/passwd"), 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                \
    X(open_creat, 85, CANARY_NEW, 0644, 0, 0, 0, 0, SYSCALL, SYSCALL)                      \
    X(open_how, 437, AT_CWD, PATH("/etc/passwd"), ZEROES, 24, 0, 0, SYSCALL, SYSCALL)      \
    X(open_handle, 304, AT_CWD, ZEROES, 0, 0, 0, 0, SYSCALL, SYSCALL)                      \
    X(name_to_handle, 303, AT_CWD, PATH("/"), ZEROES, ZEROES, 0, 0, SYSCALL, SYSCALL)      \
    X(reopen_memory, 257, AT_CWD, PATH("/proc/self/fd/7"), 2, 0, 0, 0, SYSCALL, HARMLESS)  \
    X(reopen_map_file, 257, AT_CWD, PATH("/proc/self/mem"), 2, 0, 0, 0, SYSCALL, HARMLESS) \
    X(host_memory, 257, AT_CWD, HOST_MEM, 2, 0, 0, 0, SYSCALL, HARMLESS)                   \
    X(stat_path, 262, AT_CWD, PATH("/etc/passwd"), ZEROES, 0, 0, 0, SYSCALL, HARMLESS)     \
    X(stat_legacy, 4, PATH("/etc/passwd"), ZEROES, 0, 0, 0, 0, SYSCALL, SYSCALL)           \
    X(statx_path, 332, AT_CWD, PATH("/etc"), 0, 0xfff, ZEROES, 0, SYSCALL, SYSCALL)        \
    X(access_path, 21, PATH("/etc/passwd"), 4, 0, 0, 0, 0, SYSCALL, SYSCALL)               \
    X(make_folder, 83, CANARY_NEW, 0755, 0, 0, 0, 0, SYSCALL, SYSCALL)                     \
    X(make_folder_at, 258, AT_CWD, CANARY_NEW, 0755, 0, 0, 0, SYSCALL, SYSCALL)            \
    X(make_node, 133, CANARY_NEW, 0100644, 0, 0, 0, 0, SYSCALL, SYSCALL)                   \
    X(remove_file, 87, CANARY, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                            \
    X(remove_file_at, 263, AT_CWD, CANARY, 0, 0, 0, 0, SYSCALL, SYSCALL)                   \
    X(rename_file, 82, CANARY, CANARY_NEW, 0, 0, 0, 0, SYSCALL, SYSCALL)                   \
    X(rename_file2, 316, AT_CWD, CANARY, AT_CWD, CANARY_NEW, 0, 0, SYSCALL, SYSCALL)       \
    X(link_file, 86, CANARY, CANARY_NEW, 0, 0, 0, 0, SYSCALL, SYSCALL)                     \
    X(symlink_file, 88, CANARY, CANARY_NEW, 0, 0, 0, 0, SYSCALL, SYSCALL)                  \
    X(readlink_self, 89, PATH("/proc/self/exe"), ZEROES, 64, 0, 0, 0, SYSCALL, SYSCALL)    \
    X(chmod_file, 90, CANARY, 0777, 0, 0, 0, 0, SYSCALL, SYSCALL)                          \
    X(chown_file, 92, CANARY, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                             \
    X(truncate_file, 76, CANARY, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                          \
    X(utimes_file, 280, AT_CWD, CANARY, 0, 0, 0, 0, SYSCALL, SYSCALL)                      \
    X(set_attribute, 188, CANARY, PATH("user.x"), ZEROES, 1, 0, 0, SYSCALL, SYSCALL)       \
    X(change_folder, 80, PATH("/"), 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                       \
    X(change_root, 161, PATH("/"), 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                        \
    X(list_folder, 217, 7, ZEROES, 256, 0, 0, 0, SYSCALL, SYSCALL)                         \
    X(current_folder, 79, ZEROES, 64, 0, 0, 0, 0, SYSCALL, SYSCALL)                        \
    X(watch_files, 294, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                \
    X(watch_all_files, 300, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                            \
    /* mounts and namespaces */                                                            \
    X(mount_proc, 165, PATH("p"), PATH("/proc"), PATH("proc"), 0, 0, 0, SYSCALL, SYSCALL)  \
    X(unmount, 166, PATH("/proc"), 2, 0, 0, 0, 0, SYSCALL, SYSCALL)                        \
    X(pivot_root, 155, PATH("/"), PATH("/"), 0, 0, 0, 0, SYSCALL, SYSCALL)                 \
    X(open_tree, 428, AT_CWD, PATH("/"), 1, 0, 0, 0, SYSCALL, SYSCALL)                     \
    X(open_filesystem, 430, PATH("proc"), 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                 \
    X(move_mount, 429, 7, ZEROES, AT_CWD, PATH("/"), 0, 0, SYSCALL, SYSCALL)               \
    X(unshare_user, 272, 0x10000000, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                      \
    X(enter_namespace, 308, 7, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                            \
    /* processes and threads */                                                            \
    X(fork_process, 57, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                \
    X(vfork_process, 58, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                               \
    X(clone_process, 56, 17, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                              \
    X(clone_thread, 56, 0x50f00, ZEROES, 0, 0, 0, 0, SYSCALL, SYSCALL)                     \
    X(clone3_process, 435, ZEROES, 88, 0, 0, 0, 0, SYSCALL, SYSCALL)                       \
    X(exec_shell, 59, PATH("/bin/sh"), ZEROES, ZEROES, 0, 0, 0, SYSCALL, SYSCALL)          \
    X(exec_self_fd, 322, 7, PATH(""), ZEROES, ZEROES, 0x1000, 0, SYSCALL, SYSCALL)         \
    X(trace_host, 101, 16, HOST, 0, 0, 0, 0, SYSCALL, SYSCALL)                             \
    X(trace_me, 101, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                   \
    X(read_host, 310, HOST, ZEROES, 1, ZEROES, 1, 0, SYSCALL, SYSCALL)                     \
    X(write_host, 311, HOST, ZEROES, 1, ZEROES, 1, 0, SYSCALL, SYSCALL)                    \
    X(advise_host, 440, 7, ZEROES, 1, 4, 0, 0, SYSCALL, SYSCALL)                           \
    X(compare_host, 312, HOST, HOST, 0, 0, 0, 0, SYSCALL, SYSCALL)                         \
    X(pidfd_host, 434, HOST, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                              \
    X(pidfd_steal, 438, 7, 3, 0, 0, 0, 0, SYSCALL, SYSCALL)                                \
    X(pidfd_signal, 424, 7, 9, 0, 0, 0, 0, SYSCALL, SYSCALL)                               \
    X(kill_host, 62, HOST, 9, 0, 0, 0, 0, SYSCALL, SYSCALL)                                \
    X(kill_everyone, 62, -1, 9, 0, 0, 0, 0, SYSCALL, SYSCALL)                              \
    X(stop_host, 234, HOST, HOST, 19, 0, 0, 0, SYSCALL, SYSCALL)                           \
    X(queue_signal, 129, HOST, 10, ZEROES, 0, 0, 0, SYSCALL, SYSCALL)                      \
    X(wait_process, 61, -1, 0, 1, 0, 0, 0, SYSCALL, SYSCALL)                               \
    X(get_pid, 39, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                     \
    X(get_parent, 110, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                 \
    X(get_user, 102, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                   \
    X(new_session, 112, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                \
    X(exit_thread, 60, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                 \
    X(exit_process, 231, 0, 0, 0, 0, 0, 0, EXIT, EXIT)                                     \
    X(exit_as_ready, 231, 77, 0, 0, 0, 0, 0, EXIT, EXIT)                                   \
    /* network and inter-process communication */                                         \
    X(socket_tcp, 41, 2, 1, 0, 0, 0, 0, SYSCALL, SYSCALL)                                  \
    X(socket_unix, 41, 1, 1, 0, 0, 0, 0, SYSCALL, SYSCALL)                                 \
    X(socket_netlink, 41, 16, 3, 0, 0, 0, 0, SYSCALL, SYSCALL)                             \
    X(socket_packet, 41, 17, 3, 0, 0, 0, 0, SYSCALL, SYSCALL)                              \
    X(socket_vsock, 41, 40, 1, 0, 0, 0, 0, SYSCALL, SYSCALL)                               \
    X(socket_pair, 53, 1, 1, 0, ZEROES, 0, 0, SYSCALL, SYSCALL)                            \
    X(connect, 42, 3, ZEROES, 16, 0, 0, 0, SYSCALL, SYSCALL)                               \
    X(send_message, 46, 3, ZEROES, 0, 0, 0, 0, SYSCALL, SYSCALL)                           \
    X(receive_message, 47, 3, ZEROES, 0, 0, 0, 0, SYSCALL, SYSCALL)                        \
    X(pipe, 293, ZEROES, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                  \
    X(shared_segment, 29, 1, 4096, 01600, 0, 0, 0, SYSCALL, SYSCALL)                       \
    X(message_queue, 68, 1, 01600, 0, 0, 0, 0, SYSCALL, SYSCALL)                           \
    X(semaphores, 64, 1, 1, 01600, 0, 0, 0, SYSCALL, SYSCALL)                              \
    X(posix_queue, 240, PATH("q"), 0102, 0600, 0, 0, 0, SYSCALL, SYSCALL)                  \
    /* descriptors */                                                                      \
    X(close_null, 3, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                   \
    X(close_event, 3, 3, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                  \
    X(close_range, 436, 0, 100, 0, 0, 0, 0, SYSCALL, SYSCALL)                              \
    X(dup_event, 32, 3, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                   \
    X(dup_over_event, 33, 0, 3, 0, 0, 0, 0, SYSCALL, SYSCALL)                              \
    X(control_event, 72, 3, 4, 0, 0, 0, 0, SYSCALL, SYSCALL)                               \
    X(unseal, 72, 7, 1033, 0, 0, 0, 0, SYSCALL, SYSCALL)                                   \
    X(device_control, 16, 0, 0x5412, ZEROES, 0, 0, 0, SYSCALL, SYSCALL)                    \
    X(read_event, 0, 3, ZEROES, 8, 0, 0, 0, SYSCALL, SYSCALL)                              \
    X(read_null, 0, 0, ZEROES, 8, 0, 0, 0, SYSCALL, SYSCALL)                               \
    X(write_output, 1, 1, ZEROES, 8, 0, 0, 0, SYSCALL, SYSCALL)                            \
    X(write_closed, 1, 7, ZEROES, 8, 0, 0, 0, SYSCALL, SYSCALL)                            \
    X(write_event_long, 1, 3, ZEROES, 16, 0, 0, 0, SYSCALL, SYSCALL)                       \
    X(write_event_high, 1, 0x100000001, ZEROES, 8, 0, 0, 0, SYSCALL, SYSCALL)              \
    X(write_vector, 20, 3, ZEROES, 1, 0, 0, 0, SYSCALL, SYSCALL)                           \
    X(write_at, 18, 3, ZEROES, 8, 0, 0, 0, SYSCALL, SYSCALL)                               \
    X(splice_pages, 278, 3, ZEROES, 1, 0, 0, 0, SYSCALL, SYSCALL)                          \
    X(splice, 275, 7, 0, 3, 0, 8, 0, SYSCALL, SYSCALL)                                     \
    X(send_file, 40, 3, 7, 0, 8, 0, 0, SYSCALL, SYSCALL)                                   \
    X(copy_range, 326, 7, 0, 3, 0, 8, 0, SYSCALL, SYSCALL)                                 \
    X(shrink_reply, 77, 6, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                \
    X(punch_market, 285, 4, 3, 0, 4096, 0, 0, SYSCALL, SYSCALL)                            \
    X(event_new, 290, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                  \
    X(epoll_new, 291, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                  \
    X(poll_event, 7, ZEROES, 1, 0, 0, 0, 0, SYSCALL, SYSCALL)                              \
    X(memory_file, 319, PATH("m"), 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                        \
    X(memory_secret, 447, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                              \
    /* memory */                                                                           \
    X(map_rwx, 9, 0, 4096, 7, 0x22, -1, 0, SYSCALL, SYSCALL)                               \
    X(map_anonymous_code, 9, 0, 4096, 5, 0x22, -1, 0, SYSCALL, SYSCALL)                    \
    X(map_shared, 9, 0, 4096, 3, 0x21, -1, 0, SYSCALL, SYSCALL)                            \
    X(map_locked, 9, 0, 4096, 3, 0x2022, -1, 0, SYSCALL, SYSCALL)                          \
    X(map_grows_down, 9, 0, 4096, 3, 0x122, -1, 0, SYSCALL, SYSCALL)                       \
    X(map_huge, 9, 0, 4096, 3, 0x40022, -1, 0, SYSCALL, SYSCALL)                           \
    X(map_fixed, 9, OWN_PAGE, 4096, 3, 0x32, -1, 0, SYSCALL, HARMLESS)                     \
    X(map_null_page, 9, 0, 4096, 3, 0x32, -1, 0, SYSCALL, HARMLESS)                        \
    X(map_file_shared, 9, 0, 4096, 1, 0x1, 7, 0, SYSCALL, SYSCALL)                         \
    X(map_file_rwx, 9, 0, 4096, 7, 0x2, 7, 0, SYSCALL, SYSCALL)                            \
    X(map_event, 9, 0, 4096, 3, 0x2, 3, 0, SYSCALL, SYSCALL)                               \
    X(protect_code, 10, OWN_PAGE, 4096, 5, 0, 0, 0, SYSCALL, SYSCALL)                      \
    X(protect_write, 10, OWN_PAGE, 4096, 3, 0, 0, 0, SYSCALL, SYSCALL)                     \
    X(protect_with_key, 329, OWN_PAGE, 4096, 5, 0, 0, 0, SYSCALL, SYSCALL)                 \
    X(key_new, 330, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                    \
    X(remap_fixed, 25, OWN_PAGE, 4096, 4096, 3, OWN_PAGE, 0, SYSCALL, SYSCALL)             \
    X(remap_keep, 25, OWN_PAGE, 4096, 4096, 5, 0, 0, SYSCALL, SYSCALL)                     \
    X(remap_file_pages, 216, OWN_PAGE, 4096, 0, 0, 0, 0, SYSCALL, SYSCALL)                 \
    X(advise, 28, OWN_PAGE, 4096, 4, 0, 0, 0, SYSCALL, SYSCALL)                            \
    X(lock_memory, 149, OWN_PAGE, 4096, 0, 0, 0, 0, SYSCALL, SYSCALL)                      \
    X(lock_all_memory, 151, 3, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                            \
    X(sync_memory, 26, OWN_PAGE, 4096, 4, 0, 0, 0, SYSCALL, SYSCALL)                       \
    X(see_resident, 27, OWN_PAGE, 4096, ZEROES, 0, 0, 0, SYSCALL, SYSCALL)                 \
    X(memory_barrier, 324, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                             \
    X(seal_memory, 462, OWN_PAGE, 4096, 0, 0, 0, 0, SYSCALL, SYSCALL)                      \
    X(fault_handler, 323, 1, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                              \
    X(shadow_stack, 453, 0, 4096, 0, 0, 0, 0, SYSCALL, SYSCALL)                            \
    X(local_table, 154, 1, ZEROES, 16, 0, 0, 0, SYSCALL, SYSCALL)                          \
    /* kernel attack surface */                                                            \
    X(uring, 425, 8, ZEROES, 0, 0, 0, 0, SYSCALL, SYSCALL)                                 \
    X(uring_enter, 426, 3, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                \
    X(uring_register, 427, 3, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                             \
    X(aio, 206, 8, ZEROES, 0, 0, 0, 0, SYSCALL, SYSCALL)                                   \
    X(bpf_load, 321, 5, ZEROES, 48, 0, 0, 0, SYSCALL, SYSCALL)                             \
    X(performance_counter, 298, ZEROES, 0, -1, -1, 0, 0, SYSCALL, SYSCALL)                 \
    X(keys_read, 250, 0, -3, 1, 0, 0, 0, SYSCALL, SYSCALL)                                 \
    X(keys_add, 248, PATH("user"), PATH("x"), ZEROES, 1, -2, 0, SYSCALL, SYSCALL)          \
    X(landlock_new, 444, ZEROES, 8, 0, 0, 0, 0, SYSCALL, SYSCALL)                          \
    X(module_load, 175, ZEROES, 8, PATH(""), 0, 0, 0, SYSCALL, SYSCALL)                    \
    X(kernel_exec, 246, 0, 0, ZEROES, 0, 0, 0, SYSCALL, SYSCALL)                           \
    X(reboot, 169, 0xfee1dead, 672274793, 0x1234567, 0, 0, 0, SYSCALL, SYSCALL)            \
    X(kernel_log, 103, 3, ZEROES, 64, 0, 0, 0, SYSCALL, SYSCALL)                           \
    X(io_ports, 172, 3, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                   \
    X(host_name, 170, PATH("x"), 1, 0, 0, 0, 0, SYSCALL, SYSCALL)                          \
    X(system_info, 99, ZEROES, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                            \
    X(random_bytes, 318, ZEROES, 8, 0, 0, 0, 0, SYSCALL, SYSCALL)                          \
    X(restart, 219, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                    \
    /* rights and limits */                                                                \
    X(become_root, 105, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                \
    X(become_root_group, 106, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                          \
    X(become_groups, 116, 0, ZEROES, 0, 0, 0, 0, SYSCALL, SYSCALL)                         \
    X(take_capabilities, 126, ZEROES, ZEROES, 0, 0, 0, 0, SYSCALL, SYSCALL)                \
    X(raise_limit, 160, 7, ZEROES, 0, 0, 0, 0, SYSCALL, SYSCALL)                           \
    X(limit_host, 302, HOST, 7, ZEROES, 0, 0, 0, SYSCALL, SYSCALL)                         \
    X(personality, 135, 0x0400000, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                        \
    X(clock_back_on, 157, 26, 1, 0, 0, 0, 0, SYSCALL, SYSCALL)                             \
    X(become_dumpable, 157, 4, 1, 0, 0, 0, 0, SYSCALL, SYSCALL)                            \
    X(outlive_host, 157, 1, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                               \
    X(segment_base, 158, 0x1002, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                          \
    X(map_clock_pages, 158, 0x2003, 0x10000, 0, 0, 0, 0, SYSCALL, SYSCALL)                 \
    X(priority, 141, 0, 0, -20, 0, 0, 0, SYSCALL, SYSCALL)                                 \
    X(realtime, 144, 0, 1, ZEROES, 0, 0, 0, SYSCALL, SYSCALL)                              \
    X(affinity, 203, 0, 8, ZEROES, 0, 0, 0, SYSCALL, SYSCALL)                              \
    X(yield, 24, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                       \
    X(restartable, 334, ZEROES, 32, 0, 0, 0, 0, SYSCALL, SYSCALL)                          \
    /* filters */                                                                          \
    X(filter_listener, 317, 1, 8, ZEROES, 0, 0, 0, SYSCALL, SYSCALL)                       \
    X(filter_strict, 317, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                              \
    X(filter_by_prctl, 157, 22, 2, ZEROES, 0, 0, 0, SYSCALL, SYSCALL)                      \
    /* signals and time */                                                                 \
    X(signal_handler, 13, 31, ZEROES, 0, 8, 0, 0, SYSCALL, SYSCALL)                        \
    X(signal_mask, 14, 0, ZEROES, 0, 8, 0, 0, SYSCALL, SYSCALL)                            \
    X(signal_stack, 131, ZEROES, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                          \
    X(signal_descriptor, 289, -1, ZEROES, 8, 0, 0, 0, SYSCALL, SYSCALL)                    \
    X(signal_return, 15, 0, 0, 0, 0, 0, 0, SYSCALL, CRASH)                                 \
    X(clock_call, 228, 1, ZEROES, 0, 0, 0, 0, SYSCALL, SYSCALL)                            \
    X(clock_coarse_call, 228, 5, ZEROES, 0, 0, 0, 0, SYSCALL, SYSCALL)                     \
    X(time_of_day_call, 96, ZEROES, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                       \
    X(time_call, 201, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                  \
    X(usage_call, 98, 0, ZEROES, 0, 0, 0, 0, SYSCALL, SYSCALL)                             \
    X(times_call, 100, ZEROES, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                            \
    X(sleep_call, 35, ZEROES, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                             \
    X(sleep_clock, 230, 1, 0, ZEROES, 0, 0, 0, SYSCALL, SYSCALL)                           \
    X(alarm, 37, 1, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                       \
    X(interval, 38, 0, ZEROES, 0, 0, 0, 0, SYSCALL, SYSCALL)                               \
    X(timer_new, 222, 1, 0, ZEROES, 0, 0, 0, SYSCALL, SYSCALL)                             \
    X(timer_descriptor, 283, 1, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                           \
    X(pause, 34, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                                       \
    X(futex_timeout, 202, OWN_PAGE, 0, 0, OWN_PAGE, 0, 0, SYSCALL, SYSCALL)                \
    X(futex_lock_pi, 202, OWN_PAGE, 6, 0, 0, 0, 0, SYSCALL, SYSCALL)                       \
    X(futex_requeue_pi, 202, OWN_PAGE, 12, 1, 1, OWN_PAGE, 0, SYSCALL, SYSCALL)            \
    X(futex_requeue, 202, OWN_PAGE, 3, 1, 1, OWN_PAGE, 0, SYSCALL, SYSCALL)                \
    X(futex_bitset, 202, OWN_PAGE, 9, 0, 0, 0, -1, SYSCALL, SYSCALL)                       \
    X(futex_vector, 449, ZEROES, 1, 0, 0, 1, 0, SYSCALL, SYSCALL)                          \
    X(futex_robust_list, 273, ZEROES, 24, 0, 0, 0, 0, SYSCALL, SYSCALL)                    \
    /* numbers that are none, and the other ABI */                                         \
    X(number_negative, -1, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                             \
    X(number_unknown, 9999, 0, 0, 0, 0, 0, 0, SYSCALL, SYSCALL)                            \
    X(number_x32, 0x40000002, PATH("/etc/passwd"), 0, 0, 0, 0, 0, SYSCALL, SYSCALL)        \
    X(number_x32_futex, 0x400000ca, OWN_PAGE, 1, 0, 0, 0, 0, SYSCALL, SYSCALL)             \
    /* allowed, and must do nothing to anyone else */                                      \
    X(wake_nobody, 202, OWN_PAGE, 1, 0x7fffffff, 0, 0, 0, HARMLESS, HARMLESS)              \
    X(event_zero, 1, 3, ZEROES, 8, 0, 0, 0, HARMLESS, HARMLESS)

/* Attacks that are code: name, deciding, loading. Each is a function attack_NAME() of attack.c. */
#define ATTACK_CODE(X)                             \
    X(gate_i386, DEAD, DEAD)                       \
    X(vsyscall_time, DEAD, DEAD)                   \
    X(vdso_clock, CRASH, CRASH)                    \
    X(vdso_clock_coarse, CRASH, CRASH)             \
    X(vdso_time, CRASH, CRASH)                     \
    X(timestamp_counter, CRASH, CRASH)             \
    X(timestamp_counter_p, CRASH, CRASH)           \
    X(performance_register, CRASH, CRASH)          \
    X(halt, CRASH, CRASH)                          \
    X(port_write, CRASH, CRASH)                    \
    X(illegal, CRASH, CRASH)                       \
    X(divide_by_zero, CRASH, CRASH)                \
    X(write_null, CRASH, CRASH)                    \
    X(write_code, CRASH, CRASH)                    \
    X(write_own_entry, CRASH, CRASH)               \
    X(write_libc, CRASH, CRASH)                    \
    X(write_market, CRASH, CRASH)                  \
    X(write_private, CRASH, CRASH)                 \
    X(write_market_copy, CRASH, CRASH)             \
    X(run_stack, CRASH, CRASH)                     \
    X(run_heap, CRASH, CRASH)                      \
    X(run_data, CRASH, CRASH)                      \
    X(run_reply, CRASH, CRASH)                     \
    X(stack_overflow, CRASH, CRASH)                \
    X(stack_smash, CRASH, CRASH)                   \
    X(smash_runner, DEAD, DEAD)                    \
    X(abort_process, SYSCALL, SYSCALL)             \
    X(free_twice, SYSCALL, SYSCALL)                \
    X(load_library, SYSCALL, HARMLESS)             \
    X(start_thread, SYSCALL, SYSCALL)              \
    X(loop, DEADLINE, DEADLINE)                    \
    X(wait_forever, DEADLINE, DEADLINE)            \
    X(exhaust_heap, HARMLESS, HARMLESS)            \
    X(exhaust_maps, HARMLESS, HARMLESS)            \
    X(exhaust_break, HARMLESS, HARMLESS)           \
    X(unmap_reply, CRASH, CRASH)                   \
    X(unmap_everything, CRASH, CRASH)              \
    X(ring_flood, DOORBELL, DOORBELL)              \
    X(ring_saturate, DOORBELL, DOORBELL)           \
    X(ring_early, DOORBELL, DOORBELL)              \
    X(ring_wrong_number, DOORBELL, DOORBELL)       \
    X(lie_failed, HARMLESS, HARMLESS)              \
    X(lie_sleeping, HARMLESS, HARMLESS)            \
    X(lie_everything, HARMLESS, HARMLESS)          \
    X(filter_more, SYSCALL, REFUSED)               \
    X(pretend_ready, DOORBELL, REFUSED)            \
    X(second_open, SYSCALL, HARMLESS)              \
    X(impostor, SYSCALL, HARMLESS)                 \
    X(cover_reply, SYSCALL, DOORBELL)              \
    X(cover_private, SYSCALL, DEADLINE)            \
    X(jump_wild, CRASH, CRASH)

#define ORDER_MARKER "ATTACK-ORDER-V1"

/* What to do and where, written into a copy of the file by the test. */
struct attack_order {
    char marker[16];
    char name[32];
    char place[16]; /* constructor, ifunc, init, call, fill, save, fini */
    int host;       /* process id */
    char host_memory[36];
    char canary[72];
    char canary_new[72];
};

/* The wish id of an agent that got through. */
#define ESCAPED 666u

#endif
