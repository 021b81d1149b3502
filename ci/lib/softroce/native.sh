native_wanted() { return 1; }
native_up() { return 1; }
native_down() { :; }
