# SPDX-License-Identifier: GPL-2.0-or-later
#
# The door for people. Kbuild is the one for the kernel's build system.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup setup-build setup-headers demo check check-full check-sanitize test test-host test-long bench bench-plot bench-extend vm-shell module userspace sparse style \
	debug-kernel install install-userspace uninstall uninstall-userspace dkms-source dkms-install dkms-uninstall clean

VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
# The kernel that install builds for, and that demo, bench and vm-shell boot.
KERNEL_RELEASE ?= $(shell uname -r)
KERNEL ?= 6.12
export KERNEL

help: ## What can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 28
	@echo
	@echo "  KERNEL=6.1|6.12|debug chooses the kernel of what boots a VM, and of module;"
	@echo "  KERNEL_RELEASE=... (uname -r) the one that is installed for."

setup: ## Install every package that is needed (root)
	@tests/setup.sh

# For those who only install: no test's tools, no other kernels.
setup-build:
	@tests/setup.sh build
setup-headers:
	@tests/setup.sh build $(if $(wildcard /lib/modules/$(KERNEL_RELEASE)/build),,linux-headers-$(KERNEL_RELEASE))

demo: setup userspace ## Set up, build, boot a VM and show the main job
	@tests/vm/run -k $(KERNEL) -m ours -- tests/demo.sh

check: setup ## Set up and run the tests, all on one kernel and some on others: what CI runs
	@tests/check

check-full: setup ## Every test on all three kernels, and those that take long
	@tests/check --full

check-sanitize: setup ## The control plane's tests with ASan and UBSan
	@tests/userspace/run-all --sanitize

test: setup ## Tests on one kernel: make test KERNEL=debug FILTER=merge
	@tests/run -k $(KERNEL) -f '$(FILTER)'

test-host: setup ## The tests that need no VM: control plane, core, tools, fuzzers
	@tests/userspace/run-all
	@for suite in core unit fuzz; do $(MAKE) -s -C tests/$$suite run || exit 1; done

test-long: setup ## What takes an hour or more: make test-long FILTER=thousand ROUNDS=100 STRIDE=5
	@tests/run -k $(KERNEL) -f '$(FILTER)' tests/long/*.sh

bench: setup ## Compare with the kernel's own module: ROWS="2 6 8 11" ROUNDS=3 LATENCY_US=500
	@tests/bench/run

bench-plot: setup ## Plot IOPS against snapshots and chunk sizes into build/plots/
	@tests/bench/plot build/plots

bench-extend: setup userspace ## Time from the kernel's low-water event to the grown COW device
	@tests/bench/extend

vm-shell: setup ## A shell in a VM with the module loaded
	@$(MAKE) -s -C tests/lib/tools OUT=$(CURDIR)/build/tools
	@tests/vm/shell -k $(KERNEL)

module: setup ## Build the module for KERNEL into build/kernel/
	@tests/vm/build-module $(KERNEL)

# usage: $(call build_userspace,TARGETS)
build_userspace = mkdir -p build/userspace; \
	flock build/userspace sh -c 'cmake -S userspace -B build/userspace -G Ninja >build/userspace/cmake.log || { cat build/userspace/cmake.log; exit 1; }; \
		cmake --build build/userspace -j 2 --target $(1)'

userspace: setup ## Build the control plane and its tests into build/userspace/
	@$(call build_userspace,all)

sparse: setup ## Check the module's sources with sparse
	@tests/vm/sparse 6.12

style: setup ## Check the house rules
	@for check in tests/style/*.sh; do $$check || exit 1; done

debug-kernel: setup ## Build the kernel with KASAN and lockdep, once
	@tests/vm/debug-kernel

install: setup-headers install-userspace ## Build and install module (KERNEL_RELEASE) and control plane: PREFIX, DESTDIR (root)
	tests/vm/build-module -l $(KERNEL_RELEASE)
	install -D -m 644 build/kernel/$(KERNEL_RELEASE)/dm-snapshot.ko $(DESTDIR)/lib/modules/$(KERNEL_RELEASE)/updates/dkms/dm-snapshot.ko
	depmod $(if $(DESTDIR),-b $(DESTDIR)) $(KERNEL_RELEASE)

uninstall: uninstall-userspace ## Undo install; a module that DKMS installed is left to dkms-uninstall
	@if [ -z '$(DESTDIR)' ] && dkms status snapctl/$(VERSION) -k $(KERNEL_RELEASE) 2>/dev/null | grep installed >/dev/null; then \
		echo "the module is DKMS's: make dkms-uninstall takes it away"; \
	else \
		rm -f $(DESTDIR)/lib/modules/$(KERNEL_RELEASE)/updates/dkms/dm-snapshot.ko; \
		depmod $(if $(DESTDIR),-b $(DESTDIR)) $(KERNEL_RELEASE); \
	fi

PREFIX ?= /usr/local
install-userspace: setup-build ## Build and install the control plane alone: PREFIX, DESTDIR (root)
	@$(call build_userspace,snapctl man completion)
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' userspace/data/install install

uninstall-userspace: ## Undo install-userspace
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' userspace/data/install uninstall

# What DKMS gets: the kernel half, and nothing that a build left there.
DKMS_SOURCE ?= /usr/src/snapctl-$(VERSION)
dkms-source:
	rm -rf $(DKMS_SOURCE)
	mkdir -p $(DKMS_SOURCE)
	tar -c --exclude='*.o' --exclude='*.ko' --exclude='*.mod' --exclude='*.mod.c' --exclude='.*.cmd' \
		Kbuild dkms.conf COPYING kernel | tar -x -C $(DKMS_SOURCE)

dkms-install: setup-headers ## Hand the source to DKMS, build and install for KERNEL_RELEASE (root)
	@$(MAKE) -s dkms-source
	dkms add snapctl/$(VERSION) $(DKMS_FLAGS) 2>/dev/null || dkms status snapctl/$(VERSION) $(DKMS_FLAGS)
	dkms install --force snapctl/$(VERSION) -k $(KERNEL_RELEASE) $(DKMS_FLAGS)

dkms-uninstall: ## Take it from DKMS again
	dkms remove snapctl/$(VERSION) --all $(DKMS_FLAGS)
	rm -rf $(DKMS_SOURCE)

clean: ## Remove what was built in this folder
	rm -rf build
	find . -path ./.git -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \
		-o -name 'Module.symvers' -o -name 'modules.order' \) -type f -exec rm -f {} +
